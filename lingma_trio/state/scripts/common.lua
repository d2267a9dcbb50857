-- Stands before every script.

-- Milliseconds since 1970, of the server: the one clock that all gateways share.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The primary's replication id. Another primary has another, also one that lost what was written last: what must not
-- happen twice is kept with this id, and is not there for a script that finds another one.
local function epoch()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
