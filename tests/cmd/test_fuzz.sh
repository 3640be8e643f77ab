# Readers of bytes against hostile ones: the committed corpus in any build, and with clang a short run
# of libFuzzer from a fixed seed (make fuzz: a long one).
. tests/cmd/tap.sh
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
runs=${RUNS:-8000}

for corpus in tests/fuzz/corpus/*; do
    reader=${corpus##*/}
    holds "$reader: the corpus, replayed" "$BUILD/tests/fuzz/$reader" "$corpus"
    says out "^[1-9][0-9]* inputs" "$reader: there is something to replay"
done
printf '\377\377\377\000' >"$WORK/huge"
run "$BUILD/tests/fuzz/trusting" "$WORK/huge"
[ "$rc" != 0 ] && grep -q "CHECK(mem_bytes" "$WORK/err"
result $? "a reader that believes a length is caught"

cat >"$WORK/probe.c" <<'EOF'
int LLVMFuzzerTestOneInput(const unsigned char *bytes, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, unsigned long n) { return bytes && n > 9; }
EOF
if ! clang -fsanitize=fuzzer,address,undefined -o "$WORK/probe" "$WORK/probe.c" 2>"$WORK/err"; then
    skip "libFuzzer" "no clang with libFuzzer and sanitizers"
    done_testing
    exit 0
fi
holds "the fuzz programs build" make -s FUZZ=1 fuzzers
for corpus in tests/fuzz/corpus/*; do
    reader=${corpus##*/}
    holds "$reader: $runs runs" tests/fuzz/run smoke "$runs" "$reader"
done
mkdir -p "$WORK/found"
run build/fuzz/tests/fuzz/trusting -runs=1000000 -seed=1 -artifact_prefix="$WORK/" "$WORK/found"
[ "$rc" != 0 ] && grep -q "CHECK(mem_bytes" "$WORK/err"
result $? "libFuzzer finds the length by itself"
done_testing
