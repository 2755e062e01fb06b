-- beat: a worker's main process renews the leases of its children's chunks; `agg` and `feed` beat the same way.
-- ARGV  2 lease_ms  3… id, holder pairs (the holder is ignored for agg and feed)
-- Returns the ids that are gone: their holders may stop. The lease of another holder is not changed; an expired lease
-- that nobody has claimed since is restored, and no longer counted as a loss.
local lease = tonumber(ARGV[2])
local gone = {}
local state = meta('state')
even_when_full()
for i = 3, #ARGV, 2 do
  local id, holder = ARGV[i], ARGV[i + 1]
  if id == 'agg' or id == 'feed' then
    if id == 'feed' and state and not closed(state) then
      due_at(id, now + lease)
    elseif redis.call('ZSCORE', WAKE, id) then
      due_at(id, now + lease)
    else
      gone[#gone + 1] = id
    end
  else
    local r = not closed(state) and read(id)
    if not r then
      gone[#gone + 1] = id
    elseif r.holder == holder then
      due_at(id, now + lease)
    elseif r.holder == '-' and r.losses > 0 then
      r.holder, r.losses, r.wait = holder, r.losses - 1, lease
      add('losses', -1)
      write(id, r)
      due_at(id, now + lease)
    end
  end
end
return gone
