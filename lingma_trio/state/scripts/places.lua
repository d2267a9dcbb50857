-- Renews the leases of places that one gateway's requests hold, and takes away those that are held no longer.
-- KEYS[1] the places of one key: names by the end of their leases. ARGV: lease in milliseconds, how many are given up,
-- their names, then the names of those that are held; one that is not there, as after a failover, is there again.
local given_up, till = tonumber(ARGV[2]), now() + ARGV[1]
for place = 3, 2 + given_up do
  redis.call('ZREM', KEYS[1], ARGV[place])
end
for place = 3 + given_up, #ARGV do
  redis.call('ZADD', KEYS[1], till, ARGV[place])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('ZCARD', KEYS[1])
