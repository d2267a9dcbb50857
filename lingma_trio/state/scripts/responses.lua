-- Responses of one tenant: KEYS[1] is their index, a hash, and KEYS[2] the ids that can be asked for, by their end in
-- microseconds; the body of each is the string KEYS[1]:ID. ARGV[1] says what is to be done.
--
-- Fields of the index: `bytes` of all that is held; for each response held `n ID`, which is "size whole reach depth
-- parent" and the names of its items, and `h ID`, by how many it is needed: its own id, and those that follow it; for
-- each name of an item `i NAME`, which is "ID at length" of its text in the body.

local INDEX, ENDS = KEYS[1], KEYS[2]
local REAP = 100 -- responses whose time is over that one call clears away; the rest is left to the next
local LATER = 60000 -- milliseconds that the index outlives the last body

local time = redis.call('TIME')
local moment = time[1] * 1000000 + time[2]

local function body_of(id)
  return INDEX .. ':' .. id
end

local function node_of(id)
  local text = redis.call('HGET', INDEX, 'n ' .. id)
  if not text then
    return nil
  end
  local size, whole, reach, depth, parent, rest = string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%S*) (.*)$')
  return {size = tonumber(size), whole = tonumber(whole), reach = tonumber(reach), depth = tonumber(depth),
    parent = parent, names = rest}
end

-- Names follow one another as "LENGTH:NAME AT LENGTH;", since a client may call its items anything.
local function each_name(names, act)
  local at = 1
  while at <= #names do
    local colon = string.find(names, ':', at, true)
    local stop = colon + tonumber(string.sub(names, at, colon - 1))
    local semicolon = string.find(names, ';', stop + 1, true)
    act(string.sub(names, colon + 1, stop), string.sub(names, stop + 1, semicolon - 1))
    at = semicolon + 1
  end
end

-- One less needs the response: with the last it goes, and is one less that needs what it followed.
local function let_go(id)
  while id ~= '' do
    local node = node_of(id)
    if not node or redis.call('HINCRBY', INDEX, 'h ' .. id, -1) > 0 then
      return
    end
    redis.call('HINCRBY', INDEX, 'bytes', -node.size)
    redis.call('HDEL', INDEX, 'n ' .. id, 'h ' .. id)
    redis.call('UNLINK', body_of(id))
    each_name(node.names, function(name, place)
      if redis.call('HGET', INDEX, 'i ' .. name) == id .. place then
        redis.call('HDEL', INDEX, 'i ' .. name)
      end
    end)
    id = node.parent
  end
end

local function forget(id)
  if redis.call('ZREM', ENDS, id) == 1 then
    let_go(id)
  end
end

local function known(id)
  local ending = redis.call('ZSCORE', ENDS, id)
  return ending and tonumber(ending) > moment
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', string.format('%.0f', moment), 'LIMIT', 0, REAP)) do
  forget(id)
end

local act = {}

-- A part of a body that is too large for one call; it ends by itself where no `put` follows.
function act.part(id, seconds, bytes)
  redis.call('APPEND', body_of(id), bytes)
  redis.call('EXPIRE', body_of(id), seconds)
end

-- 1 where it is kept, 0 where it is too large, -1 where what it follows cannot be followed: gone, or too deep. The body
-- comes with it, or came in parts, `length` bytes in all.
function act.put(id, parent, size, reach, names, body, length, milliseconds, most_bytes, most_entries, most_depth)
  local node = {whole = tonumber(size), reach = tonumber(reach), depth = 1}
  local before = parent ~= '' and node_of(parent)
  if parent ~= '' then
    if not before or before.depth >= tonumber(most_depth) then
      redis.call('UNLINK', body_of(id))
      return -1
    end
    node = {whole = before.whole + size, reach = before.reach + reach, depth = before.depth + 1}
  end
  if node.whole > tonumber(most_bytes) or most_entries == '0' then
    redis.call('UNLINK', body_of(id))
    return 0
  end
  local ending = string.format('%.0f', math.floor(moment / 1000) + milliseconds)
  local each, link = parent, before
  while each ~= '' do
    if not link or redis.call('PEXPIREAT', body_of(each), ending) == 0 then
      redis.call('UNLINK', body_of(id))
      return -1
    end
    each = link.parent
    link = each ~= '' and node_of(each)
  end
  if body ~= '' then
    redis.call('SET', body_of(id), body)
  end
  if redis.call('STRLEN', body_of(id)) ~= tonumber(length) then
    redis.call('UNLINK', body_of(id))
    return 0
  end
  redis.call('PEXPIREAT', body_of(id), ending)
  redis.call('HSET', INDEX, 'n ' .. id,
    string.format('%s %.0f %.0f %.0f %s %s', size, node.whole, node.reach, node.depth, parent, names), 'h ' .. id, 1)
  if parent ~= '' then
    redis.call('HINCRBY', INDEX, 'h ' .. parent, 1)
  end
  each_name(names, function(name, place)
    redis.call('HSET', INDEX, 'i ' .. name, id .. place)
  end)
  local bytes = redis.call('HINCRBY', INDEX, 'bytes', size)
  redis.call('ZADD', ENDS, string.format('%.0f', moment + milliseconds * 1000), id)
  while bytes > tonumber(most_bytes) or redis.call('ZCARD', ENDS) > tonumber(most_entries) do
    local oldest = redis.call('ZRANGE', ENDS, 0, 0)[1]
    if not oldest then -- the server has dropped the ids: what the index still holds can be reached by nobody
      redis.call('UNLINK', INDEX)
      return 0
    end
    forget(oldest)
    bytes = tonumber(redis.call('HGET', INDEX, 'bytes'))
  end
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIREAT', key, string.format('%.0f', ending + LATER))
  end
  return 1
end

-- The response's reach, and for it and each that it follows, youngest first, its id, the length of its body, and the
-- body, as long as all are no more than `most` bytes. Nothing where a part of it is gone, which then goes whole.
function act.find(id, most)
  if not known(id) then
    return false
  end
  local node = node_of(id)
  local found, room, each = {node and node.reach}, tonumber(most), id
  while each ~= '' do
    local length = node and redis.call('STRLEN', body_of(each)) or 0
    if length == 0 then
      forget(id)
      return false
    end
    room = room - length
    found[#found + 1] = each
    found[#found + 1] = length
    found[#found + 1] = room >= 0 and redis.call('GET', body_of(each)) or ''
    each = node.parent
    node = each ~= '' and node_of(each)
  end
  return found
end

-- Of each name nothing where it is unknown, or the response that has it, where in its body, how long, and its text, as
-- long as all are no more than `most` bytes.
function act.items(most, ...)
  local found, room = {}, tonumber(most)
  for _, name in ipairs({...}) do
    local id, at, length = string.match(redis.call('HGET', INDEX, 'i ' .. name) or '', '^(%S+) (%d+) (%d+)$')
    found[#found + 1] = false
    if id and redis.call('EXISTS', body_of(id)) == 1 then
      room = room - length
      found[#found] = {id, tonumber(at), tonumber(length),
        room >= 0 and length ~= '0' and redis.call('GETRANGE', body_of(id), at, at + length - 1) or ''}
    end
  end
  return found
end

-- Bytes of a body, from one place up to another, which are in the answer.
function act.piece(id, from, to)
  return redis.call('GETRANGE', body_of(id), from, to)
end

function act.remove(id)
  if not known(id) then
    return 0
  end
  forget(id)
  return 1
end

return act[ARGV[1]](unpack(ARGV, 2))
