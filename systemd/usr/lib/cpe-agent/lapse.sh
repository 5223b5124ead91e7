# Resets the guest when its lease and grace are over, for as long as the guard cannot run. Agent and guard are one program: where
# that cannot be executed, this is what is left, so it is plain sh. Run by cpe-agent-lapse.service, which the guard's unit starts.
#
#   sh lapse.sh STATE_FOLDER BOOT_ID_FILE [kernel]
#
# Without `kernel`, as in tests, the reset is $CPE_AGENT_REBOOT_COMMAND and nothing else.
# shellcheck shell=sh

# When the guest must be down, ms of CLOCK_BOOTTIME; empty without a lease. What was seen last counts: a file that is gone or that
# says nothing changes nothing.
deadline=
# How much later than the deadline this acts, ms. The agent and the guard come first, if one of them lives.
LATER=500

# Sets $now, ms of CLOCK_BOOTTIME: when a process that was just made began. /proc/uptime is not that in some containers (lxcfs).
look_at_clock() {
    # The words are wanted: there is none with a space in it.
    # shellcheck disable=SC2046
    set -- $(cat /proc/self/stat 2> /dev/null)
    [ $# -ge 22 ] || return 1
    shift 21
    now=$(($1 * 1000 / hz))
}

# Sets $value to the number with that name in $line, or to nothing.
number() {
    case $line in
        *"\"$1\":"*) value=${line#*"\"$1\":"} && value=${value%%[!0-9]*} ;;
        *) value= ;;
    esac
}

# Sets $deadline by what the agent's state says. The file is overwritten in place, so it counts if it is read twice alike.
look_at_lease() {
    line= && again=
    { read -r line < "$folder/lease.json" && read -r again < "$folder/lease.json"; } 2> /dev/null || return 0
    [ "$line" = "$again" ] || return 0
    case $line in
        "{"*"}") ;;
        *) return 0 ;;
    esac
    # Of another boot: the agent has not come to drop it. In doubt it is of this one.
    [ -n "$boot" ] || { read -r boot < "$boot_file"; } 2> /dev/null || :
    case $line in
        *'"boot_id":""'* | *"\"boot_id\":\"$boot\""*) ;;
        *'"boot_id":'*) [ -z "$boot" ] || return 0 ;;
    esac
    number length_us && length=$value
    number end_us && end=$value
    number grace_us && grace=${value:-0}
    [ -n "$length" ] && [ -n "$end" ] || return 0
    deadline=
    [ "$length" = 0 ] || deadline=$(((end + grace) / 1000))
}

# Whether nobody needs this: the guard runs again, or it was stopped on purpose.
is_guarded() {
    case $(timeout 0.3 systemctl is-active cpe-agent-guard.service 2> /dev/null) in
        active | inactive) return 0 ;;
        *) return 1 ;;
    esac
}

pause() {
    sleep "$1" 2> /dev/null || sleep 1
}

# Nothing here is waited for: a disk, a driver or the log may hang.
reset_guest() {
    while :; do
        echo "resetting this guest: its lease is over, and there is no guard that can do it" >&2 &
        if [ -n "$kernel" ]; then
            for group in /sys/fs/cgroup/*/cpe-agent.service; do
                { echo 1 > "$group/cgroup.kill"; } 2> /dev/null &
            done
        fi
        [ -z "$CPE_AGENT_REBOOT_COMMAND" ] || sh -c "$CPE_AGENT_REBOOT_COMMAND" &
        if [ -n "$kernel" ]; then
            pause 0.2
            # The first one does not write caches to a disk before.
            { reboot -f -n || systemctl reboot -ff; } > /dev/null 2>&1 &
            pause 0.2
            # A container's SysRq is that of its host. systemd takes the signal for "reboot immediately".
            if [ ! -e /run/systemd/container ] && [ "$(readlink /proc/self/ns/pid)" = "pid:[4026531836]" ]; then
                echo 1 > /proc/sys/kernel/sysrq
                echo b > /proc/sysrq-trigger
            else
                kill -49 1
            fi
        fi
        pause 2
    done
}

main() {
    folder=$1 boot_file=$2 kernel=$3
    hz=$(getconf CLK_TCK 2> /dev/null) || hz=100
    boot=
    echo "there is no guard that runs: this keeps the lease meanwhile"
    looks=0
    while :; do
        look_at_lease
        if look_at_clock && [ -n "$deadline" ] && [ "$now" -ge $((deadline + LATER)) ]; then
            reset_guest
        fi
        looks=$(((looks + 1) % 5))
        # That takes its time: not when there is something to do soon.
        if [ "$looks" = 0 ] && { [ -z "$deadline" ] || [ "${now:-0}" -lt $((deadline - 1000)) ]; } && is_guarded; then
            exit 0
        fi
        pause 0.2
    done
}

# All of it has been read before it begins: an upgrade may replace this file.
main "$@"
