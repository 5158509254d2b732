-- Takes one of so many requests a minute (a token bucket, kept as the time at which it will be full again).
--
-- KEYS  1 limit:<key>
-- ARGV  1 requests a minute
-- Gives 0 when it was taken, else the milliseconds until the next one may be.
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local each = 60000 / ARGV[1]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now) or now, now) + each
local over = full - now - 60000
if over > 0.5 then
  return math.ceil(over)
end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now) + 1)
return 0
