-- Forgets the reservation 'id' of the account, which was paid or given back: its tokens, expiry and items, or nothing.
local function unreserve(s, id)
    if not s.mine then
        return nil
    end
    local cost, expiry, items = reservation(s.mine)
    redis.call('HDEL', ACCOUNT, id)
    s.mine = false
    s.reserved = math.max(0, s.reserved - (cost or 0))
    s.available = s.total - s.reserved
    return cost, expiry, items
end
