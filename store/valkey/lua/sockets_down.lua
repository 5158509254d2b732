-- Takes dropped sockets away, each only if no newer one took its place: no new offers from now on.
--
-- KEYS  1 mitras:sockets   2 mitras:waiting   3 mitras:available
--       then of each socket: mitra:heartbeat:<id>
-- ARGV  of each socket: mitra id, epoch, score
--       score: what mitras:available is to hold (Unix ms), "" for a clean close, which leaves the count at once
-- Gives how many were taken away.
local sockets, waiting, available = KEYS[1], KEYS[2], KEYS[3]
local taken = 0
for n = 1, #KEYS - 3 do
  local a = (n - 1) * 3
  local id, epoch, score = ARGV[a + 1], tonumber(ARGV[a + 2]), ARGV[a + 3]
  local digits = string.match(redis.call('HGET', sockets, id) or '', '^(%d+) ')
  local there = digits and #digits <= 15 and tonumber(digits) or 0
  if there <= epoch then
    redis.call('HDEL', sockets, id)
    redis.call('ZREM', waiting, id)
    if score == '' then
      redis.call('ZREM', available, id)
      redis.call('DEL', KEYS[3 + n])
    else
      redis.call('ZADD', available, 'XX', score, id)
    end
    taken = taken + 1
  end
end
return taken
