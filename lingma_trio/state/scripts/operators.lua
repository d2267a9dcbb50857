-- Operators of all gateways. ARGV[1] says what is to be done; each key holds one thing and has an end.

local act = {}

-- Puts a name there for so many milliseconds: a session that was signed out of, or a link.
function act.mark(milliseconds)
  redis.call('SET', KEYS[1], '1', 'PX', milliseconds)
  return 1
end

function act.marked()
  return redis.call('EXISTS', KEYS[1])
end

-- Takes a name away; 1 where it was there. Of all who try, one is told so.
function act.unmark()
  return redis.call('DEL', KEYS[1])
end

local function wait_of(key, most, window, moment)
  local failures = redis.call('LRANGE', key, -most, -1)
  if #failures < tonumber(most) then
    return 0
  end
  return math.max(0, failures[1] + window - moment)
end

local function count(key, most, window, moment)
  redis.call('RPUSH', key, string.format('%.0f', moment))
  redis.call('LTRIM', key, -most, -1)
  redis.call('PEXPIRE', key, window)
end

-- A wrong token of the peer of KEYS[1], while KEYS[2] has those of all: the milliseconds to wait. While all wait nobody
-- is counted by name, so that many names take no room.
function act.failed(most, most_of_all, window)
  local moment = now()
  local all = wait_of(KEYS[2], most_of_all, window, moment)
  local wait = math.max(all, wait_of(KEYS[1], most, window, moment))
  count(KEYS[2], most_of_all, window, moment)
  if all == 0 then
    count(KEYS[1], most, window, moment)
  end
  return wait
end

return act[ARGV[1]](unpack(ARGV, 2))
