--#include tokens_common
--#include tokens_held
--#include tokens_queue
-- Gives up a place in the queue, or a reservation whose call was never sent, never answered, or answered with account
-- data that can't be true: then the balance is in doubt, and Keepa is asked before anything else is granted.
-- ARGV  2 id or ''  3 'waiter' | 'unsent' | 'unanswered' | 'unbelievable'
--       4 ms that an unanswered reservation still holds
-- Returns 1 when there was something to give up.
local id, what = ARGV[2], ARGV[3]
if what == 'unbelievable' then
    count('unbelievable')
end
local s = load(id)
if not s then
    return 0
end
local found = false
if what == 'waiter' then
    found = dequeue(s, SMALL, id) or dequeue(s, BULK, id)
end
local cost, expiry, items = unreserve(s, id)
if cost and what == 'unanswered' then
    expiry = math.min(expiry, now + tonumber(ARGV[4]))
    redis.call('HSET', ACCOUNT, id, cmsgpack.pack(cost, expiry, items))
    s.reserved, s.next_expiry = s.reserved + cost, math.min(expiry, s.next_expiry)
    s.available = s.total - s.reserved
elseif what == 'unbelievable' then
    s.forgiven, s.doubt = s.forgiven + (cost or 0), true
end
wake_heads(s)
save(s)
return (found or cost) and 1 or 0
