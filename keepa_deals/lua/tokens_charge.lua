--#include tokens_common
--#include tokens_held
-- Settles a reservation by its own cost, at an account whose answers tell no balance.
-- ARGV  2 id  3 '1' for a refusal (429): then nothing is there, whatever we believed
-- Returns 1 when the balance is known, else 0
local id, refused = ARGV[2], ARGV[3] == '1'
local s = load(id)
if not s then
    return 0
end
local cost = unreserve(s, id) or 0
if refused then
    s.left, s.tick_at = 0, now + math.ceil(s.period + slack(s))
    count('rejected_429')
else
    -- A full bucket begins to fill when something is taken out; another one goes on.
    s.tick_at = s.uncapped >= s.capacity and now + math.ceil(s.period + slack(s)) or s.next_tick
    s.left = s.total - cost
    count('spent|other', cost)
end
s.as_of, s.ts = now, now
save(s)
if s.queued > 0 then
    --#include tokens_queue
    s = load(id)
    wake_heads(s)
    save(s)
end
return 1
