-- Operators of all gateways. ARGV[1] says what is to be done; each key holds one thing and has an end.

local act = {}

-- Puts a name there for so many milliseconds: that of a session that was signed out of.
function act.mark(milliseconds)
  redis.call('SET', KEYS[1], '1', 'PX', milliseconds)
  return 1
end

function act.marked()
  return redis.call('EXISTS', KEYS[1])
end

-- Takes a name away; 1 where it was there.
function act.unmark()
  return redis.call('DEL', KEYS[1])
end

-- A link, which only the primary that was told of it knows to be good: another may not have heard that it is used up.
function act.offer(milliseconds)
  redis.call('SET', KEYS[1], epoch(), 'PX', milliseconds)
  return 1
end

function act.offered()
  return redis.call('GET', KEYS[1]) == epoch() and 1 or 0
end

-- Uses a link up; 1 where it was good. Of all who try, one is told so.
function act.take()
  local good = act.offered()
  redis.call('DEL', KEYS[1])
  return good
end

-- The moments of the last failures, oldest first.
local function failures_of(key)
  local moments = {}
  for moment in string.gmatch(redis.call('GET', key) or '', '%d+') do
    moments[#moments + 1] = moment
  end
  return moments
end

local function wait_after(failures, most, window, moment)
  return #failures < most and 0 or math.max(0, failures[1] + window - moment)
end

local function count(key, failures, most, window, moment)
  failures[#failures + 1] = string.format('%.0f', moment)
  local first = math.max(1, #failures - most + 1)
  redis.call('SET', key, table.concat(failures, ' ', first), 'PX', window)
end

-- A wrong token of the peer of KEYS[1], while KEYS[2] has those of all: the milliseconds to wait. While all wait nobody
-- is counted by name, so that many names take no room.
function act.failed(most, most_of_all, window)
  local moment, own, all = now(), failures_of(KEYS[1]), failures_of(KEYS[2])
  most, most_of_all = tonumber(most), tonumber(most_of_all)
  local wait = wait_after(all, most_of_all, window, moment)
  if wait == 0 then
    wait = wait_after(own, most, window, moment)
    count(KEYS[1], own, most, window, moment)
  end
  count(KEYS[2], all, most_of_all, window, moment)
  return wait
end

return act[ARGV[1]](unpack(ARGV, 2))
