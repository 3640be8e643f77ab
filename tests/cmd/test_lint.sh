# Every rule of tests/lint finds its violation, and finds it only there.
. tests/cmd/tap.sh

here=$PWD
mkdir -p "$WORK/core/marl" "$WORK/core/base" "$WORK/tests"
cp .clang-format "$WORK"

lint() { # FILE: lint it from the root of the little tree; the code comes on standard input
    cat >"$WORK/$1"
    rc=0
    (cd "$WORK" && sh "$here/tests/lint" "$1") >"$WORK/out" 2>"$WORK/err" || rc=$?
}

finds() { # PATTERN NAME, after lint
    grep -q -- "$1" "$WORK/out" && [ "$rc" != 0 ]
    result $? "$2"
}

lint core/marl/good.c <<'C'
/* A file that breaks no rule, although its comment says malloc(3). */
#include "core/base/err.h"

int marl_good(int x);

int marl_good(int x)
{
    const char *text = "free(x), \"rand()\"";
    return text[0] + x;
}
C
same "$rc" 0 "a clean file passes"

lint core/marl/bad.c <<'C'
#include "core/game/game.h"
#include <mpi.h>

typedef struct foo foo;
void *bad(float x)
{
    if (x > 1.0f)
        return 0;
    free(malloc((int)expf(x) + (int)tanh(x)));
    strcpy(0, 0);
    exit(atoi("1") + rand() + clock() + strtod("1", 0));
}
C
finds 'bad.c:1: a file opens with a comment' "the opening comment is missing"
finds 'bad.c:1: marl may not include game' "an include from a layer above"
finds 'bad.c:2: this header has one home' "a third-party header outside its home"
finds 'bad.c:4: no typedef' "a typedef of a struct"
finds 'bad.c:7: braces always' "a branch without braces"
finds 'bad.c:9: free()' "memory not from core/base/mem.c"
finds 'bad.c:9: expf()' "a function of libm whose bits vary"
finds 'bad.c:10: strcpy()' "a call without a bound"
finds 'bad.c:11: exit()' "core ends the process"
finds 'bad.c:11: atoi()' "a reader without errors"
finds 'bad.c:11: strtod()' "a reader that takes garbage for 0"
finds 'bad.c:11: rand()' "a hidden random state"
finds 'bad.c:11: clock()' "a clock in the method"

{
    echo '/* A function of 71 lines. */'
    echo 'void base_long(void)'
    echo '{'
    yes '    ;' | head -n 69
    echo '}'
} | lint core/base/long.c
finds 'a function of 71 lines' "a function that is too long"
printf '/* Blanks. */\nint base_x; \n' | lint core/base/blank.c
finds 'blank.c:2: trailing blank' "a trailing blank"
printf '/* No end. */\nint base_x;' | lint core/base/end.c
finds 'no newline at the end' "a file without its last newline"
lint core/base/formula.c <<'C'
/* A formula that a formatter broke.
 *
 *   loss  -mean_w min(rho A, clip(rho, 1 - eps, 1 + eps) A) - c_H mean_w H, rho that of the joint
 * choice
 *
 *   gain  -mean_w min(rho A, clip(rho, 1 - eps, 1 + eps) A) - c_H mean_w H, rho that of the joint
 *         choice; the next paragraph may begin at the margin
 * like this.
 */
C
finds 'formula.c:4: a formula or list item goes on at the margin' "a formula that was broken"
same "$(grep -c 'at the margin' "$WORK/out")" 1 "and not one that was not"
{ printf '/* '; yes x | head -n 60 | tr '\n' ' '; echo '*/'; } | lint core/base/wide.c
finds 'wide.c:1: a comment of 12' "a comment that is too wide"

# Three modules that include each other; the private header is one of the first.
mkdir -p "$WORK/core/nn"
for pair in one:two two:three three:one_parts; do
    printf '/* %s. */\n#include "core/nn/%s.h"\n' "$pair" "${pair#*:}" >"$WORK/core/nn/${pair%:*}.c"
done
rc=0
(cd "$WORK" && sh "$here/tests/lint" core/nn/*.c) >"$WORK/out" 2>"$WORK/err" || rc=$?
finds 'a circle of modules that include each other' "a circle of modules"
finds '    core/nn/three' "is named"
done_testing
