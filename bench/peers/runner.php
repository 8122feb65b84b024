<?php
// One process of PHP's `files` handler. See protocol.ts. One argument more,
// "read_and_close", makes a load release the session at once.
[, $mode, $workload] = $argv;
[$ids, $steps, $values] = array_values(json_decode(file_get_contents($workload), true));
$directories = [];
const FIRST_COUNT = 1000000;

class CorruptRead extends Exception {}

function name_of(int $n): string {
  return str_repeat(sprintf('%08x', scattered($n)), 4);
}

function scattered(int $n): int {
  return ($n * 0x9e3779b1) & 0xffffffff;
}

function value_of(array $like, string $owner, int $changes): array {
  $like['data']['first'] = $like['data']['last'] = FIRST_COUNT + $changes;
  $like['user'] = 'c-' . substr($owner, 0, 6) . '@example.org';
  $like['data']['owner'] = $owner;
  $like['data']['note'] = note_of($like, $changes);
  return $like;
}

function note_of(array $like, int $changes): string {
  return substr($like['data']['note'], $changes * 5 % 8);
}

function is_whole(array $found, array $like, string $owner): bool {
  $data = $found['data'] ?? null;
  return $data !== null && $data['owner'] === $owner && $data['first'] >= FIRST_COUNT &&
    $data['first'] === $data['last'] &&
    $data['note'] === note_of($like, $data['first'] - FIRST_COUNT);
}

function check(array $found, array $like, string $owner): array {
  if (is_whole($found, $like, $owner)) return $found;
  throw new CorruptRead('read ' . substr(json_encode($found), 0, 80));
}

function begin(string $id, array $options = []): void {
  session_id($id);
  if (!session_start($options)) throw new Exception('Cannot start: it is refused');
}

function load(string $id): array {
  global $mode;
  if ($mode === 'read_and_close') {
    begin($id, ['read_and_close' => true]);
    return $_SESSION;
  }
  begin($id);
  $found = $_SESSION;
  session_write_close();
  return $found;
}

function save(string $id, array $value): void {
  begin($id);
  $_SESSION = $value;
  session_write_close();
}

function update(string $id, array $like): void {
  begin($id);
  try {
    $value = check($_SESSION, $like, $id);
    $_SESSION = value_of($like, $id, $value['data']['first'] - FIRST_COUNT + 1);
  } finally {
    session_write_close();
  }
}

function open(array $request): array {
  global $ids, $values;
  for ($n = 0; $n < $request['sessions']; $n++) {
    save($ids[$n], value_of($values[$request['size']], $ids[$n], 0));
  }
  return ['load', 'touch', 'save', 'update', 'mixed', 'race', 'clean', 'many'];
}

function run(array $request): array {
  global $ids, $steps, $values;
  ['column' => $column, 'sessions' => $sessions, 'turn' => $turn] = $request;
  $like = $values[$request['size']];
  $length = count($steps);
  $ops = $corrupt = $failed = 0;
  $trouble = null;
  $updates = $column === 'race' ? array_fill(0, $sessions, 0) : null;
  $step = $turn * 1009;
  $choice = $turn * 1013 + 7919;
  $changes = $turn;
  $wait = ($request['at'] ?? 0) / 1000 - microtime(true);
  if ($wait > 0) usleep((int) ($wait * 1e6));
  $begin = hrtime(true);
  $end = $begin + $request['milliseconds'] * 1e6;
  do {
    if ($column === 'many') {
      $id = name_of($n = scattered($step++) % $sessions);
    } else {
      $id = $ids[$n = $steps[$step++ % $length] % $sessions];
    }
    $kind = match ($column) {
      'mixed' => $steps[$choice++ % $length] % 100 < 90 ? 'load' : 'save',
      'race' => $steps[$choice++ % $length] % 100 < 50 ? 'load' : 'update',
      default => $column,
    };
    try {
      if ($kind === 'save') save($id, value_of($like, $id, ++$changes));
      elseif ($kind === 'update') update($id, $like);
      else check(load($id), $like, $id);
      $ops++;
      if ($column === 'race' && $kind === 'update') $updates[$n]++;
    } catch (Exception $error) {
      if ($kind !== 'save' && $error instanceof CorruptRead) $corrupt++;
      else $failed++;
      $trouble ??= $error->getMessage();
    }
  } while (($now = hrtime(true)) < $end);
  $milliseconds = ($now - $begin) / 1e6;
  return compact('ops', 'milliseconds', 'corrupt', 'failed', 'trouble', 'updates');
}

function count_changes(array $request): array {
  global $ids, $values;
  return array_map(function ($id) use ($values, $request) {
    $found = load($id);
    $is_whole = is_whole($found, $values[$request['size']], $id);
    return $is_whole ? $found['data']['first'] - FIRST_COUNT : null;
  }, array_slice($ids, 0, $request['sessions']));
}

// Writes what the handler writes; the sessions are expired by the time of the file.
function fill(array $request): void {
  global $values;
  $old = time() - 2 * (int) ini_get('session.gc_maxlifetime');
  for ($n = $request['from']; $n < $request['to']; $n++) {
    $path = session_save_path() . '/sess_' . name_of($n);
    $text = '';
    foreach (value_of($values[$request['size']], name_of($n), 0) as $key => $value) {
      $text .= $key . '|' . serialize($value);
    }
    file_put_contents($path, $text);
    if ($request['isExpired']) touch($path, $old);
  }
}

function clean(): array {
  // It is asked for from within a session.
  begin('cleaner');
  $begin = hrtime(true);
  session_gc();
  $milliseconds = (hrtime(true) - $begin) / 1e6;
  session_destroy();
  return ['milliseconds' => $milliseconds, 'pause' => $milliseconds];
}

fwrite(STDOUT, '@{"done":null}' . "\n");
while (($line = fgets(STDIN)) !== false) {
  $request = json_decode($line, true);
  try {
    if ($request['act'] === 'open') $directories[$request['size']] = $request['directory'];
    if (isset($request['size'])) session_save_path($directories[$request['size']]);
    $answer = ['done' => match ($request['act']) {
      'open' => open($request),
      'run' => run($request),
      'count' => count_changes($request),
      'fill' => fill($request),
      'clean' => clean(),
    }];
  } catch (Throwable $error) {
    $answer = ['error' => (string) $error];
  }
  // Nothing is printed by `echo`: a session cannot begin after it.
  fwrite(STDOUT, '@' . json_encode($answer) . "\n");
}
