-- Writes heartbeats of an earlier time, each only if no newer one stands there: the mitra may have moved to another instance.
--
-- KEYS  1 mitras:available   then of each heartbeat: mitra:heartbeat:<id>
-- ARGV  of each heartbeat: mitra id, its time as ISO 8601, its time as Unix ms
-- Gives how many were written.
local written = 0
for n = 1, #KEYS - 1 do
  local id, text, score = ARGV[n * 3 - 2], ARGV[n * 3 - 1], ARGV[n * 3]
  local there = redis.pcall('GET', KEYS[n + 1])
  local newer = type(there) == 'string' and #there == #text and there > text -- of one form, so they sort as their times do
  if not newer then
    redis.call('SET', KEYS[n + 1], text)
    redis.call('ZADD', KEYS[1], 'XX', 'GT', score, id)
    written = written + 1
  end
end
return written
