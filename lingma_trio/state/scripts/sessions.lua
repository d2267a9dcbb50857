-- Sessions that gateways share: which upstream session holds which conversation, and who may continue it, once.
--
-- KEYS[1] is how each key begins. They have one hash tag and not that of a tenant, since all tenants share one bound.
--   :entry:ID                    a session, what it is bound to, and the five keys of the conversation that it holds
--   :exact:KEY and so on         the ids of the entries with that key, by when they were committed
--   :all, :tenant:NAME           ids by when they were committed; of `all` each id has its tenant in :owners
--   :shares                      tenants by how many entries they have
--   :gone:KEY, :altered:KEY      marks; :marks:gone and :marks:altered have them by when they were made
--   :lease:TOKEN                 the id that somebody leased with that token, as long as it can be given back
--   :cleared                     when everything of a primary was dropped at once: nothing of it before that counts
-- An entry that somebody leased is in none of the lists, and bears a token by which it is given back for a while.
--
-- ARGV: claim | commit | let_go | mark | clear, milliseconds that an entry lives, most marks, and what each needs.
-- Replies: the sessions that were dropped, four fields of each; entries left; evictions; expiries; what each says.

local base, ttl, most_marks = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local KINDS = {'exact', 'normal', 'answers', 'question', 'bare'}
local LOOK = 16 -- entries of one key that are looked at, the youngest
local FEW = 4 -- of these, that are given to be judged together with their questions
local SWEEP = 8 -- entries or marks that one call drops for their age
local MARGIN = 60000 -- milliseconds that an entry outlives its time, so that whoever drops it can say whose it was

local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
local primary = epoch()
local when, whose = string.match(redis.call('GET', base .. ':cleared') or '', '^(%d+) (%x+)$')
local cleared = whose == primary and tonumber(when) or 0 -- another primary has another clock
local dropped, evictions, expiries = {}, 0, 0

local function number(value)
  return string.format('%.0f', value)
end

local function reply(...)
  return {dropped, redis.call('ZCARD', base .. ':all'), evictions, expiries, ...}
end

local function mark(kind, key, what)
  local name, list = base .. ':' .. kind .. ':' .. key, base .. ':marks:' .. kind
  redis.call('SET', name, number(at) .. ' ' .. what, 'PX', number(ttl))
  redis.call('ZADD', list, number(at), name)
  redis.call('PEXPIRE', list, number(ttl))
  local old = redis.call('ZRANGEBYSCORE', list, '-inf', number(at - ttl * 1000), 'LIMIT', 0, SWEEP)
  for _, each in ipairs(old) do redis.call('ZREM', list, each) end
  if redis.call('ZCARD', list) > most_marks then
    local oldest = redis.call('ZRANGE', list, 0, 0)[1]
    redis.call('ZREM', list, oldest)
    redis.call('DEL', oldest)
  end
end

local function marked(kind, key)
  local found = redis.call('GET', base .. ':' .. kind .. ':' .. key)
  if not found then return nil end
  local when, what = string.match(found, '^(%d+) (.*)$')
  return tonumber(when) > cleared and what or nil
end

local function count(tenant)
  local has = redis.call('ZCARD', base .. ':tenant:' .. tenant)
  if has > 0 then
    redis.call('ZADD', base .. ':shares', has, tenant)
  else
    redis.call('ZREM', base .. ':shares', tenant)
  end
end

-- Take an entry out of all lists; its hash stays. A server that is short of memory may have dropped any of the lists.
local function unlist(id)
  local keys = redis.call('HMGET', base .. ':entry:' .. id, unpack(KINDS))
  for place, kind in ipairs(KINDS) do
    if keys[place] then redis.call('ZREM', base .. ':' .. kind .. ':' .. keys[place], id) end
  end
  local tenant = redis.call('HGET', base .. ':entry:' .. id, 'tenant') or redis.call('HGET', base .. ':owners', id)
  redis.call('ZREM', base .. ':all', id)
  redis.call('HDEL', base .. ':owners', id)
  if tenant then
    redis.call('ZREM', base .. ':tenant:' .. tenant, id)
    count(tenant)
  end
end

local function list(id, tenant, when, keys)
  local lasts = number(ttl + MARGIN)
  local function put(name)
    redis.call('ZADD', name, when, id)
    redis.call('PEXPIRE', name, lasts)
  end
  for place, kind in ipairs(KINDS) do put(base .. ':' .. kind .. ':' .. keys[place]) end
  put(base .. ':all')
  put(base .. ':tenant:' .. tenant)
  redis.call('HSET', base .. ':owners', id, tenant)
  redis.call('PEXPIRE', base .. ':owners', lasts)
  count(tenant)
  redis.call('PEXPIRE', base .. ':shares', lasts)
end

-- Drop an entry for good; `why` is remembered of its conversation, if anything is. Of another primary's nobody is told:
-- somebody whose claim was lost may be asking in that session.
local function lose(id, why)
  local name = base .. ':entry:' .. id
  local entry = redis.call('HMGET', name, 'session', 'instance', 'life', 'account', 'normal', 'epoch')
  unlist(id)
  redis.call('DEL', name)
  if entry[1] and entry[6] == primary then
    for field = 1, 4 do dropped[#dropped + 1] = entry[field] end
  end
  if entry[1] and why ~= '' then mark('gone', entry[5], why) end
end

local function expire()
  local before = number(at - ttl * 1000)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. ':all', '-inf', before, 'LIMIT', 0, SWEEP)) do
    lose(id, 'expired')
    expiries = expiries + 1
  end
end

-- The ids of entries with that key that may be continued, the youngest first. One with a token is somebody's, whatever
-- list it is in. Those of another primary are dropped: what it had been told of them last may be lost, so somebody may
-- have continued them.
local function there(kind, key)
  local found, name = {}, base .. ':' .. kind .. ':' .. key
  for _, id in ipairs(redis.call('ZREVRANGE', name, 0, LOOK - 1)) do
    local entry = redis.call('HMGET', base .. ':entry:' .. id, 'epoch', 'at', 'token')
    local when = tonumber(entry[2] or 0)
    if not entry[1] or entry[3] then
      redis.call('ZREM', name, id)
    elseif entry[1] ~= primary then
      lose(id, 'failover')
    elseif when <= cleared then
      lose(id, '')
    elseif when <= at - ttl * 1000 then
      lose(id, 'expired')
      expiries = expiries + 1
    else
      found[#found + 1] = id
    end
  end
  return found
end

local function take(id, more, token, hold)
  local name = base .. ':entry:' .. id
  local entry = redis.call('HMGET', name, 'session', 'instance', 'life', 'account', 'untold')
  redis.call('HSET', name, 'token', token)
  redis.call('PEXPIRE', name, hold)
  redis.call('SET', base .. ':lease:' .. token, id, 'PX', hold)
  unlist(id)
  return reply('taken', more, id, unpack(entry))
end

-- To be judged by who asks: each with what it is bound to, what tells that it is still the same, and its questions.
local function choose(ids, questions, otherwise)
  local found = {}
  for _, id in ipairs(ids) do
    local entry = redis.call('HMGET', base .. ':entry:' .. id, 'session', 'instance', 'life', 'account', 'exact',
      'questions')
    found[#found + 1] = id
    for field = 1, 5 do found[#found + 1] = entry[field] end
    found[#found + 1] = questions and entry[6] or ''
  end
  return reply('choose', otherwise, questions and 1 or 0, found)
end

local function missing(normal, question, bare, model)
  if #there('question', question) > 0 then return 'answer_differs' end
  if marked('altered', question) then return 'altered' end
  local alike = there('bare', bare)
  for _, id in ipairs(alike) do
    if redis.call('HGET', base .. ':entry:' .. id, 'model') == model then return 'tools' end
  end
  return #alike > 0 and 'model' or marked('gone', normal) or 'no_entry'
end

local function claim(exact, normal, answers, question, bare, model, token, hold, named, state)
  expire()
  if named ~= '' then
    for _, id in ipairs(there('exact', state)) do
      if id == named then return take(id, 0, token, hold) end
    end
    return reply('none', 'no_entry')
  end
  local same = there('exact', exact)
  if #same > 0 then return take(same[1], #same - 1, token, hold) end
  local alike = there('normal', normal)
  local altered = marked('altered', question)
  if #alike > 1 then
    return altered and reply('none', 'ambiguous') or choose(alike, false, 'ambiguous')
  end
  if #alike == 1 then
    return altered and reply('none', 'altered') or take(alike[1], 0, token, hold)
  end
  local why = missing(normal, question, bare, model)
  if altered then return reply('none', why) end
  local shorter = {}
  for _, id in ipairs(there('answers', answers)) do
    if redis.call('HEXISTS', base .. ':entry:' .. id, 'questions') == 1 then shorter[#shorter + 1] = id end
  end
  if #shorter == 0 then return reply('none', why) end
  if #shorter > FEW then return reply('none', 'ambiguous') end
  return choose(shorter, true, why)
end

local function commit(most, id, tenant, session, instance, life, account, model, untold, questions, ...)
  local name, keys = base .. ':entry:' .. id, {...}
  unlist(id)
  redis.call('DEL', name)
  redis.call('HSET', name, 'session', session, 'instance', instance, 'life', life, 'account', account, 'model', model,
    'tenant', tenant, 'untold', untold, 'at', number(at), 'epoch', primary)
  for place, kind in ipairs(KINDS) do redis.call('HSET', name, kind, keys[place]) end
  if questions ~= '' then redis.call('HSET', name, 'questions', questions) end
  redis.call('PEXPIRE', name, number(ttl + MARGIN))
  list(id, tenant, number(at), keys)
  expire()
  for _ = 1, SWEEP do
    if redis.call('ZCARD', base .. ':all') <= tonumber(most) then break end
    local largest = redis.call('ZREVRANGE', base .. ':shares', 0, 0)[1]
    local list = largest and base .. ':tenant:' .. largest or base .. ':all'
    local oldest = redis.call('ZRANGE', list, 0, 0)[1]
    if oldest then
      lose(oldest, 'evicted')
      evictions = evictions + 1
    else
      redis.call('ZREM', base .. ':shares', largest)
    end
  end
  return reply('done')
end

-- Give a lease back, or drop its entry where `why` says that nobody can continue it. `none`: nobody has it now. Who has
-- not heard what was leased gives no id, and is told what is dropped.
local function let_go(id, token, why)
  local lease, known = base .. ':lease:' .. token, id ~= ''
  if not known then id = redis.call('GET', lease) or '' end
  redis.call('DEL', lease)
  local name = base .. ':entry:' .. id
  local entry = redis.call('HMGET', name, 'token', 'tenant', 'at', 'epoch', unpack(KINDS))
  if entry[1] ~= token then return reply('none') end
  if why ~= '' or tonumber(entry[3]) <= cleared or entry[4] ~= primary then
    lose(id, why)
    if known then dropped = {} end -- whoever gave it back knows
    return reply('none')
  end
  redis.call('HDEL', name, 'token')
  redis.call('PEXPIRE', name, number(math.max(1, ttl + MARGIN - math.floor((at - entry[3]) / 1000))))
  list(id, entry[2], entry[3], {unpack(entry, 5)})
  return reply('done')
end

-- Drop everything up to a moment, which is this one at first, a part at a time.
local function clear(until_then, part)
  if until_then == '' then
    until_then = number(at)
    redis.call('SET', base .. ':cleared', until_then .. ' ' .. primary, 'PX', number(ttl + MARGIN))
  end
  local found = redis.call('ZRANGEBYSCORE', base .. ':all', '-inf', until_then, 'LIMIT', 0, part)
  for _, id in ipairs(found) do lose(id, '') end
  return reply(until_then, #found)
end

local function altered(question)
  mark('altered', question, 'altered')
  return reply('done')
end

local operations = {claim = claim, commit = commit, let_go = let_go, clear = clear, mark = altered}
return operations[ARGV[1]](unpack(ARGV, 4))
