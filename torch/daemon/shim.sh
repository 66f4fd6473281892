# The few lines around every command: they record its start and its end in the run file,
# which is this shell's standard input, locked for as long as this shell lives. Comments are
# taken out before it is used. It is started ahead of time and begins when a line comes on
# descriptor 3; if that closes without a line (the service died, or thought better of it),
# nothing was started and nothing is written. Where the start cannot be written down (a full
# disk) nothing is started either: a later service would take the run for one that never began.
# Arguments: soft limit of open files, umask, working directory, command.
# TERM, INT and HUP are for the command; the shim stays to write down how it ended. They are
# caught here and not ignored, because the command would inherit ignoring; and the command is
# called plainly, with a path, because dash then starts it without copying itself.
trap : TERM INT HUP
ulimit -S -n "$1"
umask "$2"
cd "$3" || exit
shift 3
read -r go <&3 || exit
exec 3<&-
echo "S $$" >&0 || exit 125
"$@" </dev/null
code=$?
echo "X $code" >&0
exit $code
