-- What agents and gateways share of instances. ARGV[1] is the operation:
--
-- say      KEYS[1] agents by the end of their leases, KEYS[2] their addresses, KEYS[3] the instances that are drained,
--          then a key of rests for each instance.
--          ARGV: milliseconds of the lease, the agent, its address, and of each instance: its name, 1 or 0 where it was
--          drained or resumed since the last time and nothing else otherwise, how many rests it has, and of each of
--          them the model and the milliseconds that are left.
--          Returns of each instance whether it is drained, and all its rests, the latest end of each: model, milliseconds.
-- agents   KEYS[1], KEYS[2]. Returns the addresses of all agents whose leases run.
-- leave    KEYS[1], KEYS[2]. ARGV: the agent.
local moment = now()

local function forget_the_gone()
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', moment)) do
    redis.call('HDEL', KEYS[2], gone)
    redis.call('ZREM', KEYS[1], gone)
  end
end

local function drained(name, told)
  if told == '1' then
    redis.call('HSET', KEYS[3], name, '1')
  elseif told == '0' then
    redis.call('HDEL', KEYS[3], name)
  end
  return redis.call('HGET', KEYS[3], name) and 1 or 0
end

local function rests(key, from, count)
  for at = from, from + 2 * (count - 1), 2 do
    local ends = moment + tonumber(ARGV[at + 1])
    if ends > tonumber(redis.call('HGET', key, ARGV[at]) or '0') then
      redis.call('HSET', key, ARGV[at], string.format('%.0f', ends))
    end
  end
  local found, last = {}, moment
  local all = redis.call('HGETALL', key)
  for at = 1, #all, 2 do
    local ends = tonumber(all[at + 1])
    if ends > moment then
      found[#found + 1] = all[at]
      found[#found + 1] = ends - moment
      last = math.max(last, ends)
    else
      redis.call('HDEL', key, all[at])
    end
  end
  if #found > 0 then
    redis.call('PEXPIREAT', key, string.format('%.0f', last))
  end
  return found
end

if ARGV[1] == 'agents' then
  forget_the_gone()
  return redis.call('HVALS', KEYS[2])
end

if ARGV[1] == 'leave' then
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('HDEL', KEYS[2], ARGV[2])
  return {}
end

if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', moment + ARGV[2]), ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
end
forget_the_gone()
local answer, at = {}, 5
for number = 4, #KEYS do
  local count = tonumber(ARGV[at + 2])
  answer[#answer + 1] = {drained(ARGV[at], ARGV[at + 1]), rests(KEYS[number], at + 3, count)}
  at = at + 3 + 2 * count
end
return answer
