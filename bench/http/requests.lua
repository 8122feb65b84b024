-- What wrk asks for: each request with one of the cookies of a file, drawn at
-- random, the same draws in every run. Ends with one line, an answer for Child.
--
--   wrk … -s requests.lua URL -- COOKIES [PAUSE]
--
-- A connection asks again at once; with PAUSE, after so many ms on average.

local SEED = 0x5e55
local threads = 0
local requests = {}

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  math.randomseed(SEED + number)
  for cookie in io.lines(args[1]) do
    table.insert(requests, wrk.format("GET", "/", { ["Cookie"] = cookie }))
  end
  local pause = tonumber(args[2])
  if pause then
    function delay()
      return math.floor(2 * pause * math.random() + 0.5)
    end
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '@{"done":{"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,' ..
      '"p50":%.6f,"p99":%.6f}}',
    summary.requests,
    summary.duration / 1e6,
    errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3
  ))
end
