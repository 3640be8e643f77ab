# No mutable globals: an object file of the product has nothing in .data or .bss, but for the homes
# of process-wide state: the CHECK hook, the logger and the allocation-failure counter of core/base,
# what the handlers of signals need, and the vector kernel, which is chosen once.
. tests/cmd/tap.sh

if ! command -v objdump >/dev/null; then
    skip "no mutable globals" "objdump is not installed"
    done_testing
    exit 0
fi
find "$BUILD/core" "$BUILD/proto" "$BUILD/mpi" -name '*.o' | sort >"$WORK/objects"
holds "there are objects to look at" test -s "$WORK/objects"
while read -r object; do
    case $object in */core/base/err.o | */core/base/log.o | */core/base/mem.o | */core/nn/kernel.o | */mpi/comm/stop.o) continue ;; esac
    objdump -t "$object" | awk -v at="$object" '
        $3 == "O" && $4 ~ /^\.t?(data|bss)$/ { print at ": " $NF }'
done <"$WORK/objects" >"$WORK/out"
: >"$WORK/err"
[ ! -s "$WORK/out" ]
result $? "no mutable globals"
done_testing
