-- The rules of docs/token-policy.md for the request at hand (of tokens_acquire), by the account at this moment.

-- Bulk, while recovering, waits for the target; else for the threshold.
local function recovery_bound(ceiling)
    local bound = math.min(THRESHOLD, ceiling)
    if s.total < bound then
        s.recovering = true
    elseif s.total >= math.min(TARGET, ceiling) then
        s.recovering = false
    end
    return s.recovering and math.min(TARGET, ceiling) or bound
end

local function round_up(tokens)
    return math.ceil(tokens - 1e-6) -- a third of an item's price three times is no token more
end

-- Tokens that must be there, tokens to reserve and items, by the rule of bulk.
local function bulk_rule()
    local _, page = learned('deal', 0)
    local keep = math.max(UPSERT_TOKENS, page) * (1 + UPSERT_RUNS) + s.foreign + promised(s, bulk_waits)
    local each = learns and price or price / most
    local mean, worst = learned(kind, learns and price or 0)
    local q = math.min(math.max(4 * mean, worst, each), s.capacity / fewest)
    local least, ceiling = round_up(q * fewest), s.capacity - s.refill
    local need = math.max(least, math.min(keep + least, ceiling), recovery_bound(ceiling))
    local items = math.max(fewest, math.min(most, math.floor((s.available - keep) / q)))
    return need, round_up(q * items), items
end

-- How long the small lane's share still forbids a request; nil when it doesn't.
local function limited_for(need)
    local over, share = need - allowance(s), SHARE / 100 * s.refill
    if over <= 0 or share <= 0 then
        return nil
    end
    local ticks = math.floor((now - s.bulk_since) / s.period) + math.ceil(over / share)
    return s.bulk_since + ticks * s.period - now
end
