-- KEYS[1] who shares the store, as in beat.lua. Changes nothing.
-- Returns the store's version, its limit of memory in bytes, what it does at that limit, and those who share it.
local function fact(section, name)
  return string.match(redis.call('INFO', section), '\n' .. name .. ':([^\r\n]*)') or ''
end
return {
  fact('server', 'redis_version'),
  fact('memory', 'maxmemory'),
  fact('memory', 'maxmemory_policy'),
  redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now()), '+inf'),
}
