-- The functions that all acts of the ledger share. Prepended to each act; never run alone.
--
-- KEYS, in the same order for every act (engine/keys.py spells them):
--   1 meta    hash  state, gen, cur, avail, sealed, counters, sizing
--   2 open    hash  chunk id -> "from holder claims crashes losses wait_ms attempts solo overtime"
--   3 wake    zset  chunk id | agg | feed | orphan | deadline -> ms at which it is due
--   4 pages   hash  first index -> encoded items
--   5 index   zset  first index -> itself, so that the page of an index is found in O(log n)
--   6 parked  hash  chunk id of one item, not claimable before it is due -> "attempts reason facts"
--   7 out     hash  gen:from-upto~k -> blob of outcomes, never replaced
--   8 failed  set   failed indices of the newest generation
--   9 redo    list  "from-stop" ranges to allocate before new ones: given back, or to be run again after a redrive
--  10 part    hash  as out -> what a fold merges (BatchFlow deltas)
--  11 saved   hash  chunk id of one item -> its state when it was parked; last:index -> its state when it failed
--  12 facts   hash  name -> value of what an item may wait for: a batch of its own that closed, an event that was sent;
--                   at:name -> the number of that event among all events of the batch
--  13 waits   hash  name of a fact -> chunk id of the parked item that waits for it, perhaps for the first of several
--  14 left    hash  first index of a page -> number of its items that have not ended well; streams only, see `release`
--  15 line    stream  every field of `out` in commit order, and every close: for readers that follow the batch
--  16 place   zset  field of `out` -> generation and first item in one number; only if the batch's items have keys
--  17 batches zset  id of every batch that a caretaker has to check -> ms at which to check it next
--  18 catalog zset  "kind:id" of all batches and runs in Redis -> ms at which it was made
--
-- A chunk id is "gen:start-stop", or "gen:start-stop~k" for the k-th record of one parked or split item.
-- ARGV[1] is the time in ms for the model test, or "" for Redis' own clock.

local META, OPEN, WAKE, PAGES, INDEX = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local PARKED, OUT, FAILED, REDO, PART = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local SAVED, FACTS, WAITS, LEFT, LINE = KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local PLACE = KEYS[16]
local BATCHES, CATALOG, OWN_KEYS = KEYS[17], KEYS[18], 16
local MAX_WAIT_MS = 60000
local IDLE_WAIT_MS = 10000
local SOLO_AFTER_LOSSES = 2
-- While at least so many items wait for batches of their own, no new items begin: those batches are work enough.
local MOST_PARENTS = 32
-- Steps of a run whose states are kept, so that it can be reopened from them.
local MOST_STEPS = 1000
local STARVED_S = 3600
-- Limits for the pages whose content is returned with a range, see `brought`.
local SMALL_PAGE_BYTES, BROUGHT_BYTES, BROUGHT_PAGES = 4096, 65536, 16
-- Records of `open` that `waiting` looks at, and the positions at which it begins.
local LOOKED_AT, CURSORS = 32, 65536
-- A chunk whose message was sent longer ago than this, and that nobody holds, waits for a slot.
local DELIVERED_MS = 50
-- A caretaker checks a batch that rests every REST_MS, or LOOKS times in its retention if that is more often.
local REST_MS, LOOKS = 10000, 8

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local now = clock()

local function int(n) return string.format('%.0f', n) end

local function meta(...)
  local values = redis.call('HMGET', META, ...)
  for i, v in ipairs(values) do
    if v then values[i] = tonumber(v) or v end
  end
  return unpack(values)
end

local function set(...) redis.call('HSET', META, ...) end

local function add(field, n)
  if n ~= 0 then redis.call('HINCRBY', META, field, int(n)) end
end

local function range_of(id)
  local gen, start, stop, k = string.match(id, '^(%d+):(%d+)-(%d+)~?(%d*)$')
  return tonumber(gen), tonumber(start), tonumber(stop), tonumber(k) or 0
end

local function id_of(gen, start, stop, k)
  local id = int(gen) .. ':' .. int(start) .. '-' .. int(stop)
  if k > 0 then id = id .. '~' .. int(k) end
  return id
end

-- 1 for a record that was split off and runs in the slot of its holder, beside others (wait_ms 0); else 0. A record
-- without a holder needs a slot like any other.
local function beside(r) return r.holder ~= '-' and r.wait == 0 and 1 or 0 end

local function read(id)
  local packed = redis.call('HGET', OPEN, id)
  if not packed then return nil end
  local from, holder, claims, crashes, losses, wait, attempts, solo, overtime = string.match(packed,
    '^(%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%d)$')
  local r = {from = tonumber(from), holder = holder, claims = tonumber(claims), crashes = tonumber(crashes),
    losses = tonumber(losses), wait = tonumber(wait), attempts = tonumber(attempts), solo = tonumber(solo),
    overtime = tonumber(overtime)}
  r.beside = beside(r)
  return r
end

local function write(id, r)
  add('beside', beside(r) - (r.beside or 0))
  r.beside = beside(r)
  redis.call('HSET', OPEN, id, table.concat({int(r.from), r.holder, int(r.claims), int(r.crashes), int(r.losses),
    int(r.wait), int(r.attempts), int(r.solo), int(r.overtime)}, ' '))
end

-- A caretaker checks a batch in each of its rounds, except one that rests (wake.lua), all of whose items wait for their
-- time or for a fact. Whatever gives a batch something to do ends its rest.
local roused = false
local function rouse()
  if roused then return end
  roused = true
  local asleep, id = meta('asleep', 'id')
  if asleep ~= 1 then return end
  set('asleep', 0)
  redis.call('ZADD', BATCHES, 'XX', int(now), id)
end

-- Makes the child batches that items wait for follow this one soon, which was paused, was resumed or has ended.
local function rouse_inner()
  for _, fact in ipairs(redis.call('HKEYS', WAITS)) do
    local id = string.match(fact, '^batch:(.+):%d+$')
    if id then redis.call('ZADD', BATCHES, 'XX', int(now), id) end
  end
end

local function due_at(id, at)
  rouse()
  redis.call('ZADD', WAKE, int(at), id)
end

-- Called by acts that store no outcome, so that they run even when maxmemory is reached: Redis then refuses a script
-- only if its first write could use more memory. This first write removes a member that does not exist.
local function even_when_full() redis.call('ZREM', WAKE, '') end

-- How many of the items from … stop run at once: what `concurrency` counts.
local function weight(from, stop)
  local in_flight = meta('in_flight')
  return math.min(in_flight or 1, stop - from)
end

-- Counts items in flight: of this batch, and of its family if `concurrency` applies to that. The family's count is in
-- the meta hash of its root; `crowd` is that key.
local function weigh(n)
  if n == 0 then return end
  add('weight', n)
  local crowd = meta('crowd')
  if crowd and redis.call('EXISTS', crowd) == 1 then redis.call('HINCRBY', crowd, 'family', int(n)) end
end

local function open(id, r)
  local _, _, stop = range_of(id)
  write(id, r)
  weigh(weight(r.from, stop))
end

-- The items of an open chunk up to `upto` have ended.
local function pass(id, r, upto)
  local _, _, stop = range_of(id)
  weigh(weight(upto, stop) - weight(r.from, stop))
  r.from = upto
end

local function shut(id, r)
  local _, _, stop = range_of(id)
  redis.call('HDEL', OPEN, id)
  redis.call('ZREM', WAKE, id)
  add('beside', -(r.beside or 0))
  -- A run keeps the state of every step, so that it can be inspected and reopened from there.
  if meta('keeps') ~= 1 then redis.call('HDEL', SAVED, id) end
  weigh(-weight(r.from, stop))
end

-- Parks item `index` as record `id`. It is due after `due` ms (< 0: never by time), or when one of its facts is told;
-- their names are separated by spaces.
local function park(id, attempts, due, reason, facts, state)
  redis.call('HSET', PARKED, id, attempts .. ' ' .. reason .. ' ' .. facts)
  if state ~= '' then redis.call('HSET', SAVED, id, state) end
  if reason == 'batch' then add('parents', 1) end
  for fact in string.gmatch(facts, '%S+') do
    if redis.call('HEXISTS', FACTS, fact) == 1 then
      due_at(id, now)
      return
    end
  end
  for fact in string.gmatch(facts, '%S+') do redis.call('HSET', WAITS, fact, id) end
  if due >= 0 then due_at(id, now + due) end
end

-- Removes a record from the parked ones; returns its attempts, nil if it is not parked.
local function unparked(id)
  local parked = redis.call('HGET', PARKED, id)
  if not parked then return nil end
  local attempts, reason, facts = string.match(parked, '^(%d+) (%S+) ?(.*)$')
  redis.call('HDEL', PARKED, id)
  for fact in string.gmatch(facts, '%S+') do redis.call('HDEL', WAITS, fact) end
  if reason == 'batch' then add('parents', -1) end
  return tonumber(attempts)
end

local function fresh(from, wait, attempts)
  return {from = from, holder = '-', claims = 0, crashes = 0, losses = 0, wait = wait, attempts = attempts, solo = 0,
    overtime = 0}
end

-- Open chunks that have a slot or need one.
local function chunks() return redis.call('HLEN', OPEN) - (meta('beside') or 0) end

-- How many more chunks, and how many more items, may be opened.
local function room()
  local window, concurrency, in_use, most, in_flight = meta('window', 'concurrency', 'weight', 'most', 'in_flight')
  local items, places = 1 / 0, window - chunks()
  -- More slots than a rate keeps busy would only wait for permits: `most` counts full slots.
  if most and most > 0 then places = math.min(places, math.ceil(most - in_use / (in_flight or 1))) end
  if concurrency > 0 then items = concurrency - in_use end
  local crowd, starved, own = meta('crowd', 'starved', 'id')
  if crowd then
    local limit, family = unpack(redis.call('HMGET', crowd, 'concurrency', 'family'))
    if limit then items = math.min(items, tonumber(limit) - tonumber(family or 0)) end
    if items <= 0 then
      -- Whoever frees a place in the family wakes one of these.
      redis.call('SADD', starved, own)
      redis.call('EXPIRE', starved, STARVED_S)
    end
  end
  return places, items
end

-- The slots of a window: two chunks each (engine/fleet/presence.py).
local function slots_of(window) return math.ceil(window / 2) end

-- Takes the next free range: first what was given back or reopened, then what the producer wrote. *at_once*: how many
-- of its items may run at once; *places*: chunks that there is room for; *most*: how many of them may be opened now;
-- *longest*: the most items of the range. Returns its generation, from and stop; nil if there is none.
local function take_range(at_once, places, most, longest)
  local gen, cur, avail, size, least, fixed, sealed, window, in_flight =
    meta('gen', 'cur', 'avail', 'size', 'floor', 'fixed', 'sealed', 'window', 'in_flight')
  -- A chunk has up to in_flight items in flight at once; with room for fewer, its length is the limit.
  if at_once < (in_flight or 1) then longest = math.min(longest, at_once) end
  local from, stop, from_redo
  local first = redis.call('LPOP', REDO)
  if first then
    local a, b = string.match(first, '^(%d+)-(%d+)$')
    from, stop, from_redo = tonumber(a), tonumber(b), true
  elseif cur < avail then
    from, stop = cur, avail
  else
    return nil
  end
  local n = size
  -- Items with saved states must be chunks of their own, because a claim returns one state.
  if from_redo and redis.call('EXISTS', SAVED) == 1 then n = 1 end
  if fixed == 0 then
    -- Guided self-scheduling: near the end no slot may have a long chunk while others idle. The same holds while the
    -- producer is behind: the items that are there are divided among the chunks, or slots, that could run them now.
    local left = stop - from
    if from_redo then left = left + avail - cur end
    local shares = window
    if sealed == 0 then
      shares = math.max(1, math.min(places, math.max(most, slots_of(window)), at_once / (in_flight or 1)))
    end
    n = math.min(n, math.max(least, math.ceil(left / shares)))
  end
  local upto = from + math.max(1, math.min(n, stop - from, longest))
  if fixed == 0 and not from_redo and upto < stop then
    -- A range ends with a page if that shortens it by less than half; else two processes would decode that page.
    local edge = tonumber(redis.call('ZREVRANGEBYSCORE', INDEX, int(upto), '-inf', 'LIMIT', 0, 1)[1])
    if edge and 2 * (edge - from) > upto - from then upto = edge end
  end
  if from_redo then
    if upto < stop then redis.call('LPUSH', REDO, int(upto) .. '-' .. int(stop)) end
  else
    set('cur', int(upto))
  end
  return gen, from, upto
end

local function may_allocate()
  local state, sealed, parents, window = meta('state', 'sealed', 'parents', 'window')
  if parents and parents >= math.max(MOST_PARENTS, 4 * window) then return false end
  -- The producer stopped beating before it had written all items: no range is given out until it is back.
  return state == 'running' and (sealed == 1 or redis.call('ZSCORE', WAKE, 'feed') ~= false)
end

-- A chunk that has just been opened waits for a slot. Its id is to be published, unless one of the messages that are
-- left over (`spare`) stands for it: that was sent a while ago.
local function offer(ids, id, wait)
  if (meta('spare') or 0) > 0 then
    add('spare', -1)
    due_at(id, now + wait - DELIVERED_MS - 1)
  else
    due_at(id, now + wait)
    ids[#ids + 1] = id
  end
end

-- What is due: at least `most` parked items of it, if there are so many. Chunks with an expired lease, and feed, orphan
-- and deadline, may be due as well: wake handles those.
local function due(most)
  local others = redis.call('HLEN', OPEN) + 3
  return redis.call('ZRANGEBYSCORE', WAKE, '-inf', int(now), 'LIMIT', 0, int(most + others))
end

-- Opens `id` if it is a parked item; returns whether it is.
local function open_parked(id, wait)
  local attempts = unparked(id)
  if not attempts then return false end
  local _, start = range_of(id)
  open(id, fresh(start, wait, attempts))
  return true
end

-- Opens parked items that are due, while there is room, at most `most`; returns the room that is left (places, items)
-- and how many chunks may still be opened.
local function unpark(ids, wait, most)
  local places, items = room()
  if places <= 0 or most <= 0 or redis.call('HLEN', PARKED) == 0 then return places, items, most end
  for _, id in ipairs(due(math.min(places, most))) do
    if places <= 0 or items <= 0 or most <= 0 then break end
    if open_parked(id, wait) then
      offer(ids, id, wait)
      places, items, most = places - 1, items - 1, most - 1
    end
  end
  return places, items, most
end

-- Opens chunks while the window has room, at most `most` (nil: no limit), parked items that are due before new ranges;
-- returns the ids that are to be published.
local function allocate(ids, wait, most)
  if meta('state') ~= 'running' then return ids end
  local places, items
  places, items, most = unpark(ids, wait, most or 1 / 0)
  if not may_allocate() then return ids end
  while places > 0 and items > 0 and most > 0 do
    local gen, from, upto = take_range(items, places, most, 1 / 0)
    if not gen then break end
    local id = id_of(gen, from, upto, 0)
    open(id, fresh(from, wait, 0))
    offer(ids, id, wait)
    places, items, most = places - 1, items - weight(from, upto), most - 1
  end
  return ids
end

-- Nothing remains to be done for the closed generation `gen`: no caretaker has to check the batch any more.
local function confirm(gen)
  set('confirmed', int(gen))
  redis.call('ZREM', WAKE, 'agg')
  redis.call('ZREM', BATCHES, redis.call('HGET', META, 'id'))
end

-- Closes the batch, tells its waiters, and leaves its aggregation due until it is confirmed. A `plain` batch, which has
-- nothing to do after its close, is confirmed at once. *reason*: why it was closed before its last item; '' if by a
-- user or by its failures.
local function close(state, agg_wait, reason)
  local gen, channel, retention, sealed, in_use = meta('gen', 'channel', 'retention_ms', 'sealed', 'weight')
  weigh(-in_use)
  -- Items without a commit read as cancelled. Their records stay for a redrive; no act reads them in a closed batch.
  set('state', state, 'reason', reason or '', 'closed_ms', int(now), 'parents', '0', 'beside', '0', 'spare', '0',
    'sealed', '1')
  if sealed == 0 then set('cut', '1') end
  rouse_inner()
  redis.call('DEL', WAKE, WAITS)
  redis.call('XADD', LINE, '*', 'closed', state .. ' ' .. int(gen))
  if meta('plain') == 1 then confirm(gen) else due_at('agg', now + agg_wait) end
  for i = 1, OWN_KEYS do redis.call('PEXPIRE', KEYS[i], int(retention)) end
  redis.call('PUBLISH', channel, state .. ' ' .. int(gen))
end

-- The items from … upto have ended well, except those in *kept*. A page of a stream is dropped once all its items have
-- ended well, as the batch may be larger than Redis. Other batches keep their pages: redrives and runs read them again.
local function release(from, upto, kept)
  if meta('stream') ~= 1 then return end
  local pages = redis.call('ZREVRANGEBYSCORE', INDEX, int(from), '-inf', 'LIMIT', 0, 1)
  for _, page in ipairs(redis.call('ZRANGEBYSCORE', INDEX, '(' .. int(from), '(' .. int(upto))) do
    pages[#pages + 1] = page
  end
  local ended = {}
  for i, page in ipairs(pages) do
    pages[i] = tonumber(page)
    ended[i] = math.min(upto, tonumber(pages[i + 1]) or upto) - math.max(from, pages[i])
  end
  local at = 1
  for _, index in ipairs(kept) do
    while pages[at + 1] and pages[at + 1] <= index do at = at + 1 end
    while pages[at] > index do at = at - 1 end
    ended[at] = ended[at] - 1
  end
  for i, page in ipairs(pages) do
    if ended[i] > 0 and redis.call('HINCRBY', LEFT, int(page), int(-ended[i])) <= 0 then
      redis.call('HDEL', PAGES, int(page))
      redis.call('ZREM', INDEX, int(page))
      redis.call('HDEL', LEFT, int(page))
    end
  end
end

-- Starts the deadline: when the batch is created, or redriven.
local function begin_deadline()
  local deadline = meta('deadline_ms')
  if deadline and deadline > 0 then due_at('deadline', now + deadline) end
end

local function is_late()
  local at = redis.call('ZSCORE', WAKE, 'deadline')
  return at and tonumber(at) <= now
end

local function finished()
  local sealed, cur, avail = meta('sealed', 'cur', 'avail')
  return sealed == 1 and cur == avail and redis.call('LLEN', REDO) == 0
    and redis.call('HLEN', OPEN) == 0 and redis.call('HLEN', PARKED) == 0
end

local function over_budget()
  local failed, budget, share, sealed, avail = meta('failed', 'budget', 'share', 'sealed', 'avail')
  if budget >= 0 and failed > budget then return true end
  -- As BatchPolicy.failures_allowed: 29 failures of 100 are not more than a share of 0.29.
  return share >= 0 and sealed == 1 and failed > math.floor(share * avail + 1e-9)
end

-- Closes the batch if it is over budget or finished: returns 'failed' or 'succeeded', else false.
local function settle(agg_wait)
  if over_budget() then
    close('failed', agg_wait)
    return 'failed'
  end
  if finished() then
    close('succeeded', agg_wait)
    return 'succeeded'
  end
  return false
end

local function closed(state) return state ~= 'running' and state ~= 'paused' end

-- A sample of `open`, as ids and records in turn. It is another one each time: what it lacks would otherwise wait for as
-- long as all slots are occupied.
local function sample()
  local cursor = redis.call('HLEN', OPEN) > LOOKED_AT and now % CURSORS or 0
  local next_one, some = unpack(redis.call('HSCAN', OPEN, int(cursor), 'COUNT', LOOKED_AT))
  if cursor > 0 and next_one == '0' and #some < 2 * LOOKED_AT then  -- it began near the end
    for _, one in ipairs(redis.call('HSCAN', OPEN, '0', 'COUNT', LOOKED_AT)[2]) do some[#some + 1] = one end
  end
  return some
end

-- The first of a sample of chunks that wait for a slot; not those that wait for their time, nor `solo` ones.
local function waiting()
  local found, at
  local some = sample()
  for i = 1, #some, 2 do
    local from, wait, solo = string.match(some[i + 1], '^(%d+) %- %d+ %d+ %d+ (%d+) %d+ (%d)')
    from = tonumber(from)
    if from and wait ~= '0' and solo == '0' and (not at or from < at) then found, at = some[i], from end
  end
  return found
end

-- When the message of an open chunk that nobody holds was sent.
local function sent_at(id, r) return tonumber(redis.call('ZSCORE', WAKE, id)) - r.wait end

local function is_held(id, r) return r.holder ~= '-' and tonumber(redis.call('ZSCORE', WAKE, id) or 0) > now end

-- The first index of each page that from … stop lies in.
local function pages_of(from, stop)
  local firsts = redis.call('ZREVRANGEBYSCORE', INDEX, int(from), '-inf', 'LIMIT', 0, 1)
  for _, page in ipairs(redis.call('ZRANGEBYSCORE', INDEX, '(' .. int(from), '(' .. int(stop))) do
    firsts[#firsts + 1] = page
  end
  return firsts
end

-- The content of the pages of a range; {} if its holder is to fetch the pages it lacks: if they are many or large, or
-- if the range is less than half of them, so that the holder may have read them already.
local function brought(firsts, from, stop)
  if #firsts == 0 or #firsts > BROUGHT_PAGES then return {} end
  local bytes = 0
  for _, first in ipairs(firsts) do bytes = bytes + redis.call('HSTRLEN', PAGES, first) end
  if bytes > BROUGHT_BYTES then return {} end
  if #firsts > 1 or bytes > SMALL_PAGE_BYTES then
    local after = redis.call('ZRANGEBYSCORE', INDEX, '(' .. firsts[#firsts], '+inf', 'LIMIT', 0, 1)[1] or meta('avail')
    if 2 * (stop - from) < tonumber(after) - tonumber(firsts[1]) then return {} end
  end
  return redis.call('HMGET', PAGES, unpack(firsts))
end

-- Lends open chunk `id`, which nobody holds any more, for the length of a lease. Returns
-- {id, from, stop, attempts, crashes, losses, solo, overtime, {values of the fields of meta in `names`}, state or '',
--  {first index of each page of the range}, {the pages' content, if it is brought}}; the state is the one saved when
--  the item was parked or failed.
local function lend(id, r, holder, lease, names)
  if r.holder ~= '-' then
    r.losses = r.losses + 1
    add('losses', 1)
    if r.losses >= SOLO_AFTER_LOSSES then r.solo = 1 end
  end
  r.holder, r.claims, r.wait = holder, r.claims + 1, lease
  write(id, r)
  due_at(id, now + lease)
  local _, start, stop, k = range_of(id)
  local reached = k > 0 and redis.call('HGET', SAVED, id)
  if not reached and stop - start == 1 then reached = redis.call('HGET', SAVED, 'last:' .. int(start)) end
  local fields = #names > 0 and redis.call('HMGET', META, unpack(names)) or {}
  local firsts = pages_of(r.from, stop)
  local content = brought(firsts, r.from, stop)
  for i, first in ipairs(firsts) do firsts[i] = tonumber(first) end
  return {id, r.from, stop, r.attempts, r.crashes, r.losses, r.solo, r.overtime, fields, reached or '', firsts, content}
end
