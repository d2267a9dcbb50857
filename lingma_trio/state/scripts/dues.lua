-- What one request uses of its key's limits: of a bucket that fills evenly, and a place among those at work.
-- KEYS[1] the bucket: the moment at which it is full again, and the one of writing that, in milliseconds; KEYS[2] the
-- places: names by the end of their leases; KEYS[3] the gateways that were refused a place last, by when that is
-- forgotten. ARGV: amount, per minute or 0 for no bucket, "asked" or "owed", name, places or 0 for no place, lease. A name
-- begins with its gateway's.
-- "asked" takes both or neither; "owed" gives the place up and takes the amount, be it there or not, or less than 0.
-- Returns whether there is a place, the microseconds until the amount would be there, and those until the bucket is full;
-- where there is no place also how many gateways wait for one.
local moment = now()
local amount, minute, places = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local full, wait = moment, 0
local function keep(till)
  redis.call('SET', KEYS[1], string.format('%.6f %.0f', till, moment), 'PX', math.ceil(till - moment))
end
if minute > 0 then
  local till, written = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S+)$')
  if till then
    full = tonumber(till)
    -- A moment of writing that is yet to come is of another primary, whose clock was ahead of this one's.
    local ahead = written - moment
    if ahead > 0 then
      full = full - ahead
      keep(full)
    end
    full = math.max(moment, full)
  end
end
if ARGV[3] == 'asked' then
  if places > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', moment)
    local gateway = string.match(ARGV[4], '^[^:]*')
    if redis.call('ZCARD', KEYS[2]) >= places then
      -- An end that is further away than any lease lasts is of another primary, whose clock was ahead of this one's.
      for _, place in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. moment + ARGV[6], '+inf')) do
        redis.call('ZADD', KEYS[2], moment + ARGV[6], place)
      end
      redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', moment)
      redis.call('ZREMRANGEBYSCORE', KEYS[3], '(' .. moment + ARGV[6], '+inf') -- who still waits is there again soon
      redis.call('ZADD', KEYS[3], moment + ARGV[6], gateway)
      redis.call('PEXPIRE', KEYS[3], ARGV[6])
      return {0, 0, math.ceil((full - moment) * 1000), redis.call('ZCARD', KEYS[3])}
    end
    redis.call('ZREM', KEYS[3], gateway)
  end
  if minute > 0 then
    -- A millisecond more than it takes, since moments are whole ones: whoever waits as told is let in.
    wait = full - moment - (minute - amount) * 60000 / minute
    if wait > 0.001 then
      return {1, math.ceil((wait + 1) * 1000), math.ceil((full - moment) * 1000)}
    end
  end
  if places > 0 then
    redis.call('ZADD', KEYS[2], moment + ARGV[6], ARGV[4])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
  end
elseif places > 0 then
  redis.call('ZREM', KEYS[2], ARGV[4])
end
if minute > 0 and amount ~= 0 then
  full = full + amount * 60000 / minute
  if full > moment then
    keep(full)
  else
    full = moment
    redis.call('DEL', KEYS[1])
  end
end
return {1, 0, math.ceil((full - moment) * 1000)}
