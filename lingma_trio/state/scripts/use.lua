-- The use of all gateways: KEYS[1] is the number of what this gateway added last, KEYS[2] one day's use, a hash whose
-- fields are what is counted together, and whose values are "REQUESTS PROMPT_TOKENS ANSWER_TOKENS".

local LATELY = 86400 -- seconds that a gateway's last number is known: long after it would have been sent again

local act = {}

-- Adds counts once, however often they are sent: `number` grows with each call of a gateway. The day ends at `ending`, in
-- milliseconds since 1970.
function act.add(number, ending, ...)
  local last = redis.call('GET', KEYS[1])
  if last and tonumber(last) >= tonumber(number) then
    return 0
  end
  local counts = {...}
  for at = 1, #counts, 4 do
    local known = redis.call('HGET', KEYS[2], counts[at]) or '0 0 0'
    local requests, prompt, answer = string.match(known, '^(%d+) (%d+) (%d+)$')
    redis.call('HSET', KEYS[2], counts[at], string.format('%.0f %.0f %.0f',
      requests + counts[at + 1], prompt + counts[at + 2], answer + counts[at + 3]))
  end
  redis.call('PEXPIREAT', KEYS[2], ending)
  redis.call('SET', KEYS[1], number, 'EX', LATELY)
  return 1
end

-- A part of the day's use: where to go on, "0" at its end, and fields and values by turns.
function act.read(cursor, most)
  return redis.call('HSCAN', KEYS[2], cursor, 'COUNT', most)
end

return act[ARGV[1]](unpack(ARGV, 2))
