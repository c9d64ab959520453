-- Claims, each under a key of its own: wrk ... -- KEY SEED OPENINGS_FILE PARTICIPANTS
local random, format = math.random, string.format
local openings, participants, headers = {}, 0, {}

function init(args)
  headers["Authorization"] = "Bearer " .. args[1]
  headers["Content-Type"] = "application/json"
  math.randomseed(tonumber(args[2]))
  for line in io.lines(args[3]) do
    openings[#openings + 1] = line
  end
  participants = tonumber(args[4])
end

function request()
  -- A random UUID, as clients send them: what comes in order is easier on an index.
  headers["Idempotency-Key"] = format("%04x%04x-%04x-4%03x-8%03x-%04x%04x%04x",
    random(0, 65535), random(0, 65535), random(0, 65535), random(0, 4095), random(0, 4095),
    random(0, 65535), random(0, 65535), random(0, 65535))
  local body = format('{"participant": "P-%d", "items": [{"opening_id": "%s", "units": 1}]}',
    random(1, participants), openings[random(1, #openings)])
  return wrk.format("POST", "/v1/claims", headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(format("RESULT %d %d %d %d %.4f %.4f\n", summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end
