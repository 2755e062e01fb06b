-- claim: a holder takes an open chunk, or (id = '') the next free range, for the length of its lease. If there is no
-- range, or no room for one, it takes a chunk that was opened a while ago and that nobody holds.
-- ARGV  2 id or ''  3 holder  4 lease_ms  5 largest range to take (0: any)
--       6 whether, if the chunk is not available, to take any waiting chunk or else the next free range (0|1)
--       7… fields of meta to return as well
-- Returns {'ok', the reply of `lend`}
--       · {'gone'} · {'busy'} · {'paused'}: acknowledge the message and do nothing.
--       · {'other'}: the batch is of another schema; only its version was read.
-- A second call of the same message finds the lease of the first one: 'busy'; after its commit: 'gone'. The same holds
-- for the message of a chunk that another holder took after a commit, if nothing else is left.
local id, holder, lease, most, or_other = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1'

local state, version = meta('state', 'v')
if not state or closed(state) then return {'gone'} end
if version and version ~= SCHEMA then return {'other'} end
if state == 'paused' then return {'paused'} end
if is_late() then return {'gone'} end

-- Opens the next free range; nil and the reason if there is none.
local function free_range(even_beyond_window)
  if not may_allocate() then return nil, 'gone' end
  local places, items = room()
  if items <= 0 or places <= 0 and not even_beyond_window then return nil, 'busy' end
  local gen, from, upto = take_range(items, places, 1, most > 0 and most or 1 / 0)
  if not gen then return nil, 'gone' end
  local range = id_of(gen, from, upto, 0)
  open(range, fresh(from, lease, 0))
  return range
end

-- Whether this generation may have had such a chunk, of items that were not parked.
local function was_allocated(chunk)
  local of, _, stop, k = range_of(chunk)
  local gen, cur = meta('gen', 'cur')
  return of == gen and k == 0 and stop <= cur
end

-- A waiting chunk whose message was sent longer ago than a delivery takes: it waits for a slot that others occupy.
local function left_waiting()
  local chunk = waiting()
  if not chunk then return nil end
  local _, _, stop = range_of(chunk)
  local r = read(chunk)
  if now - sent_at(chunk, r) > DELIVERED_MS and (most == 0 or stop - r.from <= most) then return chunk end
end

local refusal = 'gone'
if id == '' then
  id, refusal = free_range(true)
  -- The message of what waits may be with a worker whose slots are occupied for long. Not before a free range: the
  -- commits would open a chunk for each that is taken so, and send one message more.
  if not id then id = left_waiting() end
else
  local r = read(id)
  if not r then id = nil elseif is_held(id, r) then id, refusal = nil, 'busy' end
  if not id and or_other and was_allocated(ARGV[2]) then id = waiting() or free_range() end
end
if not id then return {refusal} end
return {'ok', lend(id, read(id), holder, lease, {unpack(ARGV, 7)})}
