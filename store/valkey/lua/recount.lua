-- Counts the available mitras and keeps the count as the snapshot that all instances share.
--
-- KEYS  1 mitras:available   2 availability:snapshot   3 mirror:epoch
-- ARGV  1 stale limit, ms   2 the snapshot's time to live, ms
-- Gives count, its time (Unix ms) and whether it differs from the snapshot that stood there; nil while nothing is seeded.
if redis.call('EXISTS', KEYS[3]) == 0 then return false end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Nobody beat later than now, give or take what clocks are apart.
local count = redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now - ARGV[1]), string.format('%.0f', now + 5000))
local before = redis.pcall('GET', KEYS[2])
if type(before) ~= 'string' then before = '' end
local was = tonumber(string.match(before, '"available":%s*(%d+)') or '-1')
local at = tonumber(string.match(before, '"at":%s*(%d+)') or '0')
-- A clock that went back a little must not make the snapshot go back; one that went back a lot is not waited for.
if at > now and at - now < tonumber(ARGV[2]) then now = at end
local text = string.format('{"available":%d,"at":%.0f}', count, now)
redis.call('SET', KEYS[2], text, 'PX', ARGV[2])
return {count, now, was == count and 0 or 1}
