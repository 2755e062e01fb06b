-- append: writes items once, at the place where the producer believes the ledger to stand; opens the first window.
-- ARGV  2 at  3 sealed (0|1)  4 window (0: leave)  5 wait_ms  6 agg_wait_ms  7 feed_ms  8 number of pages p
--       9… p × (items of the page, its blob)
--       then field, value pairs of meta, used when the batch does not exist yet (none: it must exist)
-- Returns {'ok', avail, closing state or '', ids…} · {'elsewhere', avail} · {'closed', state, avail} · {'lost'}
-- A second call with the same `at` returns 'elsewhere' with the new avail: items are never written twice.
local at, sealed, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local wait, agg_wait, feed, pages = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local FIRST_PAGE = 9
local birth = FIRST_PAGE + 2 * pages

if redis.call('EXISTS', META) == 0 then
  if #ARGV < birth then return {'lost'} end
  set('state', 'running', 'gen', 0, 'cur', 0, 'avail', 0, 'sealed', 0, 'window', 1, 'weight', 0, 'ok', 0,
    'fallback', 0, 'failed', 0, 'retried', 0, 'crashes', 0, 'losses', 0, 'confirmed', -1, 'created_ms', int(now))
  set(unpack(ARGV, birth))
  -- The state that a fork continues from was written before, with an expiry time.
  redis.call('PERSIST', SAVED)
  begin_deadline()
  local id = redis.call('HGET', META, 'id')
  redis.call('ZADD', BATCHES, int(now), id)
  local kind = meta('kind') or 'batch'
  -- The batches of an item are found through their parent; in the catalogue they would hide what users submitted.
  if kind ~= 'child' then redis.call('ZADD', CATALOG, int(now), kind .. ':' .. id) end
end

local state, avail, was_sealed = meta('state', 'avail', 'sealed')
if closed(state) then return {'closed', state, avail} end
if at ~= avail or was_sealed == 1 then return {'elsewhere', avail, was_sealed} end

local upto, stream = at, meta('stream')
for i = FIRST_PAGE, birth - 1, 2 do
  local n = tonumber(ARGV[i])
  redis.call('HSET', PAGES, int(upto), ARGV[i + 1])
  redis.call('ZADD', INDEX, int(upto), int(upto))
  if stream == 1 then redis.call('HSET', LEFT, int(upto), int(n)) end
  upto = upto + n
end
if upto > at then set('avail', int(upto)) end
if window > 0 then set('window', int(window)) end
redis.call('ZREM', WAKE, 'orphan')
if sealed == 1 then
  set('sealed', 1)
  redis.call('ZREM', WAKE, 'feed')
else
  due_at('feed', now + feed)
end

local ended = settle(agg_wait)
local answer = {'ok', upto, ended or ''}
if ended then return answer end
local most
local least, window_now = meta('floor', 'window')
-- Of items known to be short one chunk per slot is published: its holder takes further ones by itself.
if least > 1 then most = math.max(0, slots_of(window_now) - chunks()) end
return allocate(answer, wait, most)
