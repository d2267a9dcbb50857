-- KEYS[1] who shares the store, by the end of their leases; ARGV: name, milliseconds of the lease, 0 to leave.
-- Returns how many there are.
local moment = now()
if tonumber(ARGV[2]) > 0 then
  redis.call('ZADD', KEYS[1], moment + ARGV[2], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', moment)
return redis.call('ZCARD', KEYS[1])
