-- KEYS[1] what each gateway says of itself, a hash: "END AGE IN_FLIGHT" by the gateway's name and its boot, where END is
-- until when that counts, in milliseconds. ARGV: name, milliseconds that it counts, age in seconds, requests in flight.
-- Returns names, ages and requests in flight by turns.
local moment = now()
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s', moment + ARGV[2], ARGV[3], ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local told, all = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local ending, age, in_flight = string.match(all[at + 1], '^(%d+) (%d+) (%d+)$')
  if tonumber(ending) > moment then
    told[#told + 1] = all[at]
    told[#told + 1] = tonumber(age)
    told[#told + 1] = tonumber(in_flight)
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return told
