# The set-up script: what it asks for, what it installs, and that it never asks a question.
. tests/cmd/tap.sh

here=$PWD
bin=$WORK/bin
mkdir -p "$bin"
PACKAGES='build | cmd sh         | dash    | dash-rpm | dash-brew | dash-spack
build | cmd no-such-cc | cc-deb  | cc-rpm   | cc-brew   | cc-spack
build | header stdio.h | libc-deb | libc-rpm | -       | -
tools | cmd no-such-tool | tool-deb | tool-rpm | tool-brew | tool-spack'
export PACKAGES

fake() { # NAME: a program in $bin; its text comes on standard input
    { echo '#!/bin/sh'; cat; } >"$bin/$1"
    chmod +x "$bin/$1"
}

for tool in sh sed grep tr cut sort cat chmod; do # a PATH without compilers and installers
    ln -sf "$(command -v $tool)" "$bin/$tool"
done
echo 'echo 1000' | fake id
echo 'exit 1' | fake sudo
echo 'cat >/dev/null' | fake gcc

setup() {
    exits "$1" "$2" env PATH="$bin" CC=gcc sh "$here/mk/setup" "$3" "$4"
}

setup 2 "without a package manager the names are printed" install build
says err "^missing: no-such-cc \(Debian package cc-deb\)" "what is missing is named"
says err "apt-get install cc-deb *$" "for apt"
says err "dnf install cc-rpm *$" "for dnf"
says err "brew install cc-brew *$" "for brew"
says err "spack install cc-spack *$" "for spack"
! grep -q 'dash\|libc' "$WORK/err"
result $? "what is there is not asked for"
setup 0 "a wanted group may be missing" install "tools?"
says err "missing: no-such-tool" "but is mentioned"

echo 'echo "$*" >>'"$WORK/apt; [ \"\$1\" = update ] || { echo exit 0 >$bin/no-such-cc; chmod +x $bin/no-such-cc; }" |
    fake apt-get
setup 2 "a user without sudo installs nothing" install build
holds "and apt-get was not called" test ! -e "$WORK/apt"

echo '[ "$1" = -n ] || exit 9; shift; exec "$@"' | fake sudo
ln -sf "$(command -v env)" "$bin/env"
echo 'exit 0' | fake true
setup 2 "check never installs" check build
says err "make setup" "but says who does"
holds "and apt-get was not called" test ! -e "$WORK/apt"
setup 0 "with sudo -n the missing is installed" install build
same "$(tail -n 1 "$WORK/apt")" "install -y -qq --no-install-recommends cc-deb" \
    "and nothing but the missing"
rm "$WORK/apt"
setup 0 "the second time there is nothing to do" install build
holds "and apt-get was not called" test ! -e "$WORK/apt"

rm -f "$bin/no-such-cc"
echo 'exit 100' | fake apt-get
setup 2 "a failing apt-get is reported" install build
says err "apt-get failed" "in a sentence"

# --- a library that only a link finds ------------------------------------------------------------
# clang without libclang-rt compiles for libFuzzer, but does not link.
PACKAGES='tools | link linker -fsanitize=fuzzer | runtime-deb | runtime-rpm | - | -
tools | cmd no-such-tool | tool-deb | tool-rpm | - | -'
for tool in mktemp rm; do
    ln -sf "$(command -v $tool)" "$bin/$tool"
done
echo 'exit 1' | fake linker
setup 0 "a program that does not link" install "tools?"
says err "^missing: linker -fsanitize=fuzzer \(Debian package runtime-deb\)" "names flags and package"
echo 'case "$*" in *-fsanitize=fuzzer*-o*probe*) ;; *) exit 1 ;; esac' | fake linker
setup 0 "a program that links" install "tools?"
! grep -q "linker" "$WORK/err"
result $? "is not missed"
sed -n '/^define PACKAGES/,/^endef/p' Makefile >"$WORK/out"
says out "^tools *\| link clang -fsanitize=fuzzer" "the Makefile asks it of clang"

# apt-get installs nothing if it does not know one of the names: then the others, one by one.
echo 'exit 1' | fake linker
rm -f "$bin/no-such-tool"
echo 'case "$*" in update*) ;; *runtime-deb*) exit 100 ;; *) echo exit 0 >'"$bin"'/no-such-tool
    chmod +x '"$bin"'/no-such-tool ;; esac' | fake apt-get
setup 0 "a name that apt-get does not know" install "tools?"
holds "does not keep it from the others" test -x "$bin/no-such-tool"

PACKAGES='build | file /no/such/file | file-deb | file-rpm | - | -
build | file /dev/null | null-deb | null-rpm | - | -'
echo 'exit 100' | fake apt-get
setup 2 "a file that a package would bring" check build
says err "^missing: /no/such/file \(Debian package file-deb\)" "names file and package"
! grep -q null-deb "$WORK/err"
result $? "one that is there is not missed"

# --- names of this host --------------------------------------------------------------------------
PACKAGES='mpi | cmd sh | dash | - | - | -'
echo 'echo node7' | fake uname
echo 'shift; exec "$@"' | fake timeout
echo '[ "$2" = localhost ]' | fake getent
setup 0 "a host that cannot resolve its own name" install mpi
says err "^This host cannot resolve node7, so" "is told so"
says err "^    echo '127.0.0.1 node7' >>/etc/hosts\$" "and what to type"
echo 'exit 2' | fake getent
setup 0 "a host without /etc/hosts" install mpi
says err "echo '127.0.0.1 localhost node7' >>/etc/hosts\$" "gets both names on one line"
echo 'exit 0' | fake getent
setup 0 "a host that can" install mpi
same "$(cat "$WORK/err")" "" "is told nothing"

# A machine where sinfo answers and that is not inside a job is a login node.
echo 'echo "debug* up infinite 3 idle n[1-3]"' | fake sinfo
exits 0 "make run stops on a login node" env -u SLURM_JOB_ID -u MAKEFLAGS PATH="$bin:$PATH" \
    make --no-print-directory run
says out "sbatch slurm/quickstart.sbatch" "and prints the line for sbatch"
same "$(wc -l <"$WORK/out")" 3 "and does nothing else"
done_testing
