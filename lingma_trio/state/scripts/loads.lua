-- KEYS[1] what each gateway's keys have under way, a hash: "END TEXT" by the gateway, where END is until when that counts,
-- in milliseconds. ARGV: the gateway, milliseconds that it counts, the text. Returns gateways and their texts by turns.
local moment = now()
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', moment + ARGV[2], ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local told, all = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local ending, text = string.match(all[at + 1], '^(%d+) (.*)$')
  if tonumber(ending) > moment then
    told[#told + 1] = all[at]
    told[#told + 1] = text
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return told
