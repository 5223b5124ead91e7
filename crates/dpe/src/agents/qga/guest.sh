#!/bin/sh
# What runs in a guest without our agent: keeps the record of operations and runs them, so that
# whoever asks next finds them again. A DPE writes it to a guest and calls it through guest-exec.
#
#   sh FILE FOLDER NONCE VERB ARGUMENTS
#
# The folder lies in memory and is for root alone:
#   boot           the boot to which all of it belongs; that of another one is thrown away
#   owner          EPOCH NONCE DEPLOYMENT ASSEMBLY: whom the guest obeys. Each Hello has a nonce of
#                  its own: what was asked before it and comes later is refused
#   next           the number of the next record
#   active/RKEY    the resource may run here
#   configured/RKEY  a digest of what was run before its start, and of its parameters
#   op/N/          a record:
#     id key       its id; RKEY ACTION INTERVAL TIMEOUT-S
#     op act       the operation as its DPE wrote it; the script that carries it out
#     asked        UPTIME WALL DELAY: when it was asked for, and how long it waits (1/100 s)
#     run          PID BORN WALL: who runs it, made in one step by whoever begins it; 0 0 0: nobody
#                  will any more
#     claim        a folder, made next
#     fresh        nothing of its resource was begun before it
#     status unit  what its script says of itself: the status, and the unit that it works on
#     end last     how it ended; of a recurring one, how its turn before ended
#     out          the end of what is kept of what it wrote
#     before       what is run before a start, while it runs
#     script said  the script of that, for as long; what it says
set -u
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
dir=$1 nonce=$2 verb=$3
shift 3

# Records that are kept at most.
most=1024
# What is kept of the output of an operation: so many bytes from its beginning, as they come, and
# its last ones, if all of it is closed when it ends: a daemon may keep it open.
kept_output=65536 shown_output=4000
keeping='dd bs=1 count="$1"; exec tail -c "$2" >&3'
# After this time an operation that nobody has begun will not begin, 1/100 s.
patience=2000
# A DPE that was heard of since counts as connected, 1/100 s.
absent=2000
# What one look at the records, or at the network, shows, bytes.
page=200000
# Of so many interfaces and addresses the guest agent can tell in one answer.
interfaces=256 addresses=2048

say() {
  printf '%s\n' "$*"
}

refuse() {
  say "$@"
  exit 0
}

# FILE TEXT: the file is there as a whole.
put() {
  printf '%s\n' "$2" > "$1.new" && mv -f "$1.new" "$1"
}

# 1/100 s since the boot, in $up.
clock() {
  read -r up _ < /proc/uptime
  up=${up%.*}${up#*.}
  while :; do case $up in 0?*) up=${up#0} ;; *) return ;; esac; done
}

# Microseconds since 1970, in $wall.
wall_clock() {
  wall=$(date +%s%N)
  case $wall in *[!0-9]*) wall=$(date +%s)000000 ;; *) wall=${wall%???} ;; esac
}

# TRIES: one at a time, from here to the end of this process.
lock() {
  exec 9>> "$dir/lock"
  tries=0
  until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -lt "$1" ] || return 1
    sleep 0.1
  done
}

# The boot, in $boot.
read_boot() {
  read -r boot < /proc/sys/kernel/random/boot_id
}

read_owner() {
  epoch=0 holder= deployment= assembly=
  { read -r epoch holder deployment assembly < "$dir/owner"; } 2> /dev/null || return 1
}

# Refuses whoever was not the last to say hello.
own() {
  lock 50 || refuse busy
  read_boot
  of_boot=
  { read -r of_boot < "$dir/boot"; } 2> /dev/null
  [ "$of_boot" = "$boot" ] && read_owner && [ "$holder" = "$nonce" ] || refuse superseded
  clock
  put "$dir/seen" "$up"
}

# PID: its session and when it was born, in $session and $born; false if it is not there.
of_process() {
  session= born=
  { IFS= read -r line < "/proc/$1/stat"; } 2> /dev/null || return 1
  # The name of the program may have anything in it.
  set -- ${line##*) }
  [ "$1" != Z ] && [ "$1" != X ] || return 1
  session=$4
  shift 10
  born=${10}
}

# RECORD: its runner lives. Its process is in $pid.
alive() {
  pid=
  { read -r pid was_born started < "$1/run"; } 2> /dev/null || return 1
  of_process "$pid" && [ "$born" = "$was_born" ]
}

# SESSION MARK: kills what is left of an operation, but not daemons, which have a session of their
# own: to end these is the business of a stop.
kill_rest() {
  rounds=0
  while [ "$rounds" -lt 20 ]; do
    left=
    for process in /proc/[0-9]*; do
      process=${process#/proc/}
      [ "$process" != "$$" ] || continue
      of_process "$process" || continue
      [ "$session" = "$1" ] || continue
      tr '\0' '\n' 2> /dev/null < "/proc/$process/environ" | grep -qxF "CPE_OPERATION=$2" || continue
      kill -9 "$process" 2> /dev/null
      left=1
    done
    [ -n "$left" ] || return 0
    rounds=$((rounds + 1))
    sleep 0.05
  done
}

# N: ends a record and what runs of it.
drop() {
  if alive "$dir/op/$1"; then
    kill -9 "$pid" 2> /dev/null
    kill_rest "$pid" "$boot.$1"
  fi
  # It was to be the first of its resource, and has not begun: nothing of that runs.
  if [ -e "$dir/op/$1/fresh" ] && [ ! -e "$dir/op/$1/claim" ]; then
    { read -r used _ < "$dir/op/$1/key"; } 2> /dev/null && rm -f "$dir/active/$used"
  fi
  rm -rf "$dir/op/$1"
}

read_key() {
  rkey= action= interval=0 timeout=0
  { read -r rkey action interval timeout < "$1/key"; } 2> /dev/null
}

is_harmless() {
  case $1 in monitor | status | notify | meta-data | validate-all) return 0 ;; esac
  return 1
}

# N INTERVAL: begins it, in a session of its own, and outside the control group of the guest agent,
# whose restart would kill it. A turn of one that recurs is taken again after that, and starts
# nothing: it is not worth two lines in the guest's journal each time.
spawn() {
  (
    exec 9>&-
    if [ "$2" -eq 0 ] && [ -d /run/systemd/system ] && command -v systemd-run > /dev/null; then
      setsid systemd-run --quiet --scope --collect --unit="cpe-qga-$1-$up" sh "$0" "$dir" - run "$1"
      [ ! -e "$dir/op/$1/claim" ] || exit 0
    fi
    exec setsid sh "$0" "$dir" - run "$1"
  ) < /dev/null > /dev/null 2>&1 &
}

# N: what is known of it: `result N …NUMBERS SIZE` and SIZE bytes of output, where there is one,
# then `state N STATE VALUE`.
show() {
  o=$dir/op/$1
  [ -d "$o" ] || { say "state $1 gone 0"; return; }
  read_key "$o"
  state=ended value=0
  [ -e "$o/end" ] || find_state "$1"
  result=$o/end
  [ -e "$result" ] || result=$o/last
  if [ -e "$result" ]; then
    size=0
    [ ! -e "$o/out" ] || size=$(($(wc -c < "$o/out")))
    read -r ended < "$result"
    say "result $1 $ended $size"
    [ "$size" -eq 0 ] || cat "$o/out"
  fi
  say "state $1 $state $value"
}

# N: of one that has not ended, in $state and $value.
find_state() {
  read -r asked at delay < "$o/asked"
  clock
  if [ ! -e "$o/claim" ] && [ "$delay" -gt 0 ]; then
    state=later value=$((asked + delay - up))
    [ "$value" -gt 0 ] || value=0
    return
  fi
  if alive "$o"; then
    state=runs value=$started
    return
  fi
  if [ ! -e "$o/run" ] && [ $((up - asked)) -lt "$patience" ]; then
    state=waits value=$at
    return
  fi
  # Nobody begins it any more, unless somebody has just done so.
  if [ ! -e "$o/run" ]; then
    put "$o/nobody" "0 0 0"
    ln "$o/nobody" "$o/run" 2> /dev/null || { state=waits value=$at; return; }
  fi
  mkdir "$o/claim" 2> /dev/null
  [ -z "$pid" ] || kill_rest "$pid" "$boot.$1"
  if [ "$interval" -gt 0 ]; then
    rm -rf "$o/claim" "$o/run" "$o/pipe" "$o/nobody"
    [ ! -e "$o/last" ] || mv -f "$o/last" "$o/end"
    state=lost
    return
  fi
  wall_clock
  rm -f "$o/before" "$o/script" "$o/said" "$o/said.rest"
  echo "ocf-exit-reason:what ran it in the guest was killed, so its result is unknown" > "$o/out"
  put "$o/end" "4 193 $at $wall 0 0 $wall"
}

# Whether anything of the owner may run.
is_in_use() {
  for used in "$dir"/active/*; do
    [ ! -e "$used" ] || return 0
  done
  for used in "$dir"/op/*; do
    [ ! -e "$used/end" ] && alive "$used" && return 0
  done
  return 1
}

drop_all() {
  for each in "$dir"/op/*; do
    [ ! -e "$each" ] || drop "${each##*/}"
  done
  rm -rf "$dir"/active/* "$dir/configured"
}

machine_id() {
  for file in /etc/machine-id /var/lib/cpe-agent/machine-id; do
    machine=
    { read -r machine < "$file"; } 2> /dev/null
    case $machine in *[!0-9a-fA-F]* | '') continue ;; esac
    [ ${#machine} -ne 32 ] || return
  done
  machine=$(tr -d '-' < /proc/sys/kernel/random/uuid)
  mkdir -p /var/lib/cpe-agent && put /var/lib/cpe-agent/machine-id "$machine" && sync && return
  machine=boot-$boot
}

# EPOCH DEPLOYMENT ASSEMBLY
hello() {
  for tool in ln flock setsid timeout mkfifo head tail tr env wc sort grep date sed dd; do
    command -v "$tool" > /dev/null || refuse "lacks $tool"
  done
  mkdir -p "$dir/op" "$dir/active" || refuse "lacks $dir"
  lock 50 || refuse busy
  read_boot
  of_boot=
  { read -r of_boot < "$dir/boot"; } 2> /dev/null
  if [ "$of_boot" != "$boot" ]; then
    rm -rf "$dir"/op/* "$dir"/active/* "$dir/configured" "$dir/owner" "$dir/seen" "$dir/next"
    put "$dir/boot" "$boot"
  fi
  machine_id 2> /dev/null
  clock
  if read_owner; then
    if [ "$deployment/$assembly" != "$2/$3" ]; then
      seen=0
      { read -r seen < "$dir/seen"; } 2> /dev/null
      if is_in_use || [ $((up - seen)) -lt "$absent" ]; then
        refuse "occupied $machine $deployment $assembly"
      fi
      drop_all
    fi
    [ "$deployment" != "$2" ] || [ "$epoch" -le "$1" ] || refuse "stale $epoch"
  fi
  put "$dir/owner" "$1 $nonce $2 $3" || refuse "lacks $dir"
  put "$dir/seen" "$up"
  # What a call that was cut short has left.
  rm -rf "$dir"/tmp.*
  # Operations that are under way may need the helper of another version, that began them.
  unended=
  for each in "$dir"/op/*; do
    [ ! -d "$each" ] || [ -e "$each/end" ] || unended=1
  done
  for file in "$dir"/helper-*; do
    [ "$file" = "$0" ] || [ -n "$unended" ] || rm -f "$file"
  done
  say "ok $machine $boot"
}

# RKEY ACTION INTERVAL TIMEOUT-S DELAY ID, and on the standard input the operation in one line and
# the script that carries it out.
begin() {
  own
  count=0
  for each in "$dir"/op/*; do
    [ -e "$each/id" ] || continue
    count=$((count + 1))
    read -r known < "$each/id"
    [ "$known" != "$6" ] || refuse "again ${each##*/}"
  done
  [ "$count" -lt "$most" ] || refuse full
  number=1
  { read -r number < "$dir/next"; } 2> /dev/null
  new=$dir/tmp.$number
  rm -rf "$new"
  mkdir "$new" && cat > "$new/in" || refuse "lacks $dir"
  [ "$(tail -n 1 "$new/in")" = '# end' ] || refuse incomplete
  head -n 1 "$new/in" > "$new/op" && sed 1d "$new/in" > "$new/act" || refuse "lacks $dir"
  rm "$new/in"
  wall_clock
  put "$new/id" "$6" && put "$new/key" "$1 $2 $3 $4" && put "$new/asked" "$up $wall $5" || refuse "lacks $dir"
  put "$dir/next" "$((number + 1))" || refuse "lacks $dir"
  replace "$1" "$2" "$3"
  note_begin "$1" "$2" "$new"
  mv "$new" "$dir/op/$number" || refuse "lacks $dir"
  [ "$5" -gt 0 ] || spawn "$number" "$3"
  say "ok $number $wall"
}

# N ID, and on the standard input the operation in one line: what runs is what is asked for again.
adopt() {
  own
  o=$dir/op/$1
  [ ! -e "$o/end" ] && alive "$o" || refuse gone
  cat > "$dir/tmp.adopted" || refuse "lacks $dir"
  [ "$(tail -n 1 "$dir/tmp.adopted")" = '# end' ] || refuse incomplete
  head -n 1 "$dir/tmp.adopted" > "$o/op.new" && mv -f "$o/op.new" "$o/op" && put "$o/id" "$2" || refuse "lacks $dir"
  say ok
}

# RKEY ACTION INTERVAL: ends monitors that would watch for the wrong thing or are replaced, and what
# waits for its delay while something else is wanted.
replace() {
  for each in "$dir"/op/*; do
    read_key "$each"
    [ "$rkey" = "$1" ] || continue
    if [ "$interval" -gt 0 ]; then
      case $2 in stop | promote | demote | migrate_to | migrate_from) drop "${each##*/}"; continue ;; esac
      [ "$action $interval" != "$2 $3" ] || drop "${each##*/}"
    elif [ "$3" -eq 0 ] && [ ! -e "$each/claim" ] && [ ! -e "$each/end" ]; then
      case $2 in notify | meta-data | validate-all) continue ;; esac
      read -r _ _ delay < "$each/asked"
      [ "$delay" -eq 0 ] || drop "${each##*/}"
    fi
  done
}

# RKEY ACTION RECORD: from now on the resource may run.
note_begin() {
  ! is_harmless "$2" || return 0
  [ -e "$dir/active/$1" ] || : > "$3/fresh"
  : > "$dir/active/$1"
}

# N: the turn of one that recurs, or the end of a delay.
turn() {
  own
  o=$dir/op/$1
  [ -d "$o" ] || refuse gone
  read_key "$o"
  if [ "$interval" -gt 0 ]; then
    if [ ! -e "$o/end" ]; then
      find_state "$1"
      case $state in runs | waits) refuse "ok $1 $value" ;; esac
    fi
    [ ! -e "$o/end" ] || mv -f "$o/end" "$o/last"
    rm -rf "$o/claim" "$o/run" "$o/pipe"
  else
    [ ! -e "$o/claim" ] || refuse "ok $1 0"
  fi
  wall_clock
  put "$o/asked" "$up $wall 0"
  spawn "$1" "$interval"
  say "ok $1 $wall"
}

# N: runs it, to its end.
run() {
  o=$dir/op/$1
  read_boot
  wall_clock
  of_process $$ && put "$o/runner.$$" "$$ $born $wall" || exit 1
  # One takes the place, and says in the same step who it is. A look that gives up takes it too.
  taken=0
  ln "$o/runner.$$" "$o/run" 2> /dev/null || taken=1
  rm -f "$o/runner.$$"
  [ "$taken" -eq 0 ] && mkdir "$o/claim" 2> /dev/null || exit 0
  read_key "$o"
  rm -f "$o/pipe" "$o/status" "$o/unit"
  mkfifo "$o/pipe" || exit 1
  # A daemon may keep its output open for ever: this reads on, and keeps no more.
  rm -f "$o/out.new" "$o/out.rest"
  setsid sh -c "$keeping" sh "$kept_output" "$shown_output" \
    < "$o/pipe" > "$o/out.new" 3> "$o/out.rest" 2> /dev/null &
  reader=$!
  clock
  begun=$up
  env -i PATH="$PATH" CPE_OPERATION="$boot.$1" CPE_QGA="$0" CPE_QGA_FOLDER="$dir" CPE_QGA_RECORD="$o" \
    timeout -s KILL "$timeout" sh "$o/act" > "$o/pipe" 2>&1 < /dev/null
  code=$?
  clock
  rm -f "$o/pipe"
  judge "$1"
  drain
  finish "$1" "$wall"
}

# Gives what keeps the output, $reader, a moment to read its end.
drain() {
  tries=0
  while [ "$tries" -lt 10 ] && of_process "$reader"; do
    sleep 0.02
    tries=$((tries + 1))
  done
}

# N: what exit code $code means, in $status and $rc.
judge() {
  status=0 rc=$code why=
  { read -r status < "$o/status"; } 2> /dev/null
  if [ "$code" -eq 137 ] && [ $((up - begun)) -ge $((timeout * 100 - 2)) ]; then
    kill_rest $$ "$boot.$1"
    cancel_job
    status=2 rc=1
    { IFS= read -r before < "$o/before"; } 2> /dev/null &&
      why="configure executable $before: did not end within $timeout s and was killed"
  elif [ "$code" -gt 128 ] && [ "$code" -lt 160 ]; then
    status=4 rc=1 why="died of signal $((code - 128))"
  elif [ "$code" -eq 127 ]; then
    status=7 rc=5 why="its program cannot be executed: something that it needs is not installed"
  elif [ "$code" -eq 126 ]; then
    status=5 rc=4 why="its program cannot be executed"
  fi
}

# Takes a job out of systemd's queue, so that it cannot take effect later.
cancel_job() {
  unit=
  { read -r unit < "$o/unit"; } 2> /dev/null
  [ -n "$unit" ] || return 0
  job=$(timeout 5 systemctl show -p Job --value "$unit")
  case $job in '' | 0 | *[!0-9]*) ;; *) timeout 5 systemctl cancel "$job" ;; esac
}

# N STARTED: records the end.
finish() {
  began=$2
  until lock 600; do :; done
  [ -d "$o" ] || exit 0
  doubt
  wall_clock
  {
    cat "$o/out.new" "$o/out.rest" | tail -c "$shown_output"
    [ -z "$why" ] || printf '\nocf-exit-reason:%s\n' "$why"
  } > "$o/out" 2> /dev/null
  rm -f "$o/out.new" "$o/out.rest" "$o/before" "$o/script" "$o/said" "$o/said.rest" "$o/saying"
  note_end
  changed=$wall
  if [ "$interval" -gt 0 ]; then
    changed=$began
    { read -r last_status last_rc _ _ _ _ last_change < "$o/last"; } 2> /dev/null &&
      [ "$last_status $last_rc" = "$status $rc" ] && changed=$last_change
  fi
  put "$o/end" "$status $rc $began $wall $begun $up $changed"
  # Of completed operations with the same key, only the last counts.
  for each in "$dir"/op/*; do
    number=${each##*/}
    [ "$number" -lt "$1" ] && [ -e "$each/end" ] || continue
    same=
    read -r same < "$each/key"
    case $same in "$rkey $action $interval "*) rm -rf "$each" ;; esac
  done
}

# A resource agent that cannot work says nothing about a service that may be running: that counts as
# a failure of what runs.
doubt() {
  case $status in 0 | 5 | 7) ;; *) return 0 ;; esac
  case $rc in 2 | 3 | 4 | 5 | 6) ;; *) return 0 ;; esac
  case $action in
    monitor | status) ;;
    stop | demote | reload | reload-agent | migrate_to | migrate_from) ;;
    *) return 0 ;;
  esac
  if [ ! -e "$dir/active/$rkey" ] || [ -e "$o/fresh" ]; then
    case $action$interval$rc in monitor03 | monitor04 | monitor06)
      why="nothing of it was started in this boot (exit code $rc)" status=0 rc=5 ;;
    esac
    return 0
  fi
  why="it may be running, and its resource agent cannot work here (exit code $rc)" status=0 rc=1
}

# Whether the resource may run now.
note_end() {
  case "$status $action $rc" in
    '0 stop 0' | '0 monitor 7' | '0 status 7') rm -f "$dir/active/$rkey" ;;
    '0 monitor 0' | '0 monitor 8' | '0 status 0') : > "$dir/active/$rkey" ;;
    # Nothing was run.
    '7 '*) [ ! -e "$o/fresh" ] || rm -f "$dir/active/$rkey" ;;
  esac
}

# RKEY
forget() {
  own
  for each in "$dir"/op/*; do
    read_key "$each"
    [ "$rkey" = "$1" ] || continue
    [ "$interval" -eq 0 ] && [ ! -e "$each/end" ] && alive "$each" || drop "${each##*/}"
  done
  say ok
}

# KEEP: 1 if services go on running.
release() {
  own
  if [ "$1" != 1 ] && is_in_use; then
    refuse active
  fi
  drop_all
  rm -f "$dir/owner" "$dir/seen"
  say ok
}

# N: of all from this number on.
history() {
  own
  shown=0
  for number in $(cd "$dir/op" && echo * | tr ' ' '\n' | grep -x '[0-9][0-9]*' | sort -n); do
    [ "$number" -ge "$1" ] || continue
    size=$(($(wc -c < "$dir/op/$number/op")))
    [ "$shown" -lt "$page" ] || refuse "more $number"
    # Before `show`, which has a `size` of its own.
    shown=$((shown + size + shown_output))
    say "op $number $size"
    cat "$dir/op/$number/op"
    show "$number"
  done
  say "done 0"
}

# WHAT...: by which addresses the guest reaches others, and which interfaces are down; its `name` and
# its `addresses` too, if they are asked for. To find a way, nothing is sent.
network() {
  own
  count=0
  for each in /sys/class/net/*/flags; do
    flags=1
    { read -r flags < "$each"; } 2> /dev/null
    count=$((count + 1))
    each=${each%/flags}
    [ $((flags & 1)) -eq 1 ] || say "down ${each##*/}"
  done
  for to in 198.51.100.1 2001:db8::1; do
    way=$(ip -o route get "$to" 2> /dev/null)
    case $way in *' src '*) way=${way#* src }; say "source ${way%% *}" ;; esac
  done
  case " $* " in *' name '*) read -r name < /proc/sys/kernel/hostname && say "name $name" ;; esac
  [ "$count" -le "$interfaces" ] && [ "$(ip -o addr show up 2> /dev/null | wc -l)" -le "$addresses" ] ||
    set -- addresses
  case " $* " in *' addresses '*) ;; *) return ;; esac
  say addresses
  ip -o addr show up 2> /dev/null | while read -r _ interface _ address _; do
    say "address $interface $address"
  done
}

# Class systemd. ACTION UNIT: in the terms of OCF.
unit() {
  command -v systemctl > /dev/null || { echo "ocf-exit-reason:this guest has no systemd"; absent; }
  unit_state "$2" || { echo "ocf-exit-reason:systemd cannot be asked for $2"; exit 1; }
  case $load/$active in
    not-found/active | not-found/activating | not-found/deactivating) ;;
    not-found/*)
      [ "$1" != stop ] || exit 0
      echo "ocf-exit-reason:there is no systemd unit $2"
      absent
      ;;
  esac
  case $1 in
    monitor | status) settle "$2"; unit_runs && exit 0; exit 7 ;;
    start | stop | restart | reload) ;;
    *) echo 3 > "$CPE_QGA_RECORD/status"; echo "ocf-exit-reason:units have no action $1"; exit 3 ;;
  esac
  put "$CPE_QGA_RECORD/unit" "$2"
  systemctl "$1" "$2"
  done=$?
  settle "$2"
  case $1 in
    start | restart) unit_runs && exit 0; [ "$done/$active/$result" != 0/inactive/success ] || exit 0 ;;
    stop) case $active in inactive | failed) exit 0 ;; esac ;;
    reload) [ "$done" -ne 0 ] || exit 0 ;;
  esac
  echo "ocf-exit-reason:$1 of $2 did not work; the unit is $active ($result)"
  exit 1
}

# NAME DIGEST PROGRAM ARGUMENTS: what is run before a start, unless it was run in this boot. Its
# environment is that of this process.
configure() {
  o=$CPE_QGA_RECORD before=$1 digest=$2
  shift 2
  read_key "$o"
  known=
  { read -r known < "$dir/configured/$rkey"; } 2> /dev/null
  if [ "$known" = "$digest" ]; then
    rm -f "$o/script"
    exit 0
  fi
  [ -f "$1" ] || not_configured 7 5 "$1 cannot be executed: there is no such file"
  [ -x "$1" ] || not_configured 5 4 "$1 cannot be executed: permission denied"
  printf '%s\n' "$before" > "$o/before"
  # Whatever becomes of it, the guest is no longer configured as it was.
  rm -f "$dir/configured/$rkey" || exit 1
  mkfifo "$o/saying" || exit 1
  setsid sh -c "$keeping" sh "$kept_output" "$shown_output" \
    < "$o/saying" > "$o/said" 3> "$o/said.rest" 2> /dev/null &
  reader=$!
  (unset CPE_QGA CPE_QGA_FOLDER CPE_QGA_RECORD; exec "$@") > "$o/saying" 2>&1
  code=$?
  rm -f "$o/before" "$o/script" "$o/saying"
  if [ "$code" -eq 0 ]; then
    mkdir -p "$dir/configured" && put "$dir/configured/$rkey" "$digest"
    exit 0
  fi
  drain
  cat "$o/said" "$o/said.rest" | tail -c "$shown_output"
  said=$(grep '^ *ocf-exit-reason:' "$o/said" | tail -n 1)
  said=${said#*ocf-exit-reason:}
  [ -n "$said" ] || said=$(tail -c 300 "$o/said" | tail -n 1)
  if [ "$code" -gt 128 ] && [ "$code" -lt 160 ]; then
    not_configured 4 1 "${said:-died of signal $((code - 128))}"
  fi
  not_configured 0 1 "exit code $code${said:+: $said}"
}

# STATUS CODE REASON
not_configured() {
  echo "$1" > "$o/status"
  printf '\nocf-exit-reason:configure executable %s: %s\n' "$before" "$3"
  rm -f "$o/script"
  exit "$2"
}

absent() {
  echo 7 > "$CPE_QGA_RECORD/status"
  exit 5
}

unit_state() {
  load= active= result=
  shown=$(systemctl show -p LoadState -p ActiveState -p Result "$1") || return 1
  for pair in $shown; do
    case $pair in
      LoadState=*) load=${pair#*=} ;;
      ActiveState=*) active=${pair#*=} ;;
      Result=*) result=${pair#*=} ;;
    esac
  done
  [ -n "$load" ]
}

unit_runs() {
  case $active in active | reloading | refreshing) return 0 ;; esac
  return 1
}

settle() {
  while unit_state "$1"; do
    case $active in activating | deactivating) sleep 0.2 ;; *) return ;; esac
  done
}

case $verb in
  hello) hello "$@" ;;
  begin) begin "$@" ;;
  turn) turn "$@" ;;
  adopt) adopt "$@" ;;
  run) run "$@" ;;
  look) own; for number; do show "$number"; done; say "done 0" ;;
  drop) own; drop "$1"; say ok ;;
  forget) forget "$@" ;;
  release) release "$@" ;;
  history) history "$@" ;;
  network) network "$@" | head -c "$page" ;;
  unit) unit "$@" ;;
  configure) configure "$@" ;;
  has-unit) unit_state "$1" || exit 2; case $load/$active in not-found/active | not-found/*ating) ;; not-found/*) exit 1 ;; esac ;;
  *) refuse "unknown $verb" ;;
esac
# the end of the helper
