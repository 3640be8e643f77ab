/* The CPU check, compiled for the oldest CPU of its family (see the Makefile): it must itself run
 * where the rest of the program cannot, and turns SIGILL into a sentence.
 */
#include "mpi/cmd/cpu_check.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_(macro, name) name,
const char *const cpu_feature_names[CPU_FEATURES_N] = {CPU_FEATURES(NAME_)};

#if defined(__x86_64__)
/* One row of the table: 1 when the build needs what this CPU lacks, after printing its name. */
static int report(int row, int supported, const char *name, int n_missing)
{
    if (!cpu_built_for[row] || supported) {
        return 0;
    }
    fprintf(stderr, "%s%s", n_missing == 0 ? "karma: this CPU lacks " : ", ", name);
    return 1;
}

#define REPORT_(macro, name) n += report(row++, __builtin_cpu_supports(name), name, n);

void cpu_check(void)
{
    int row = 0;
    int n = 0;
    __builtin_cpu_init();
    CPU_FEATURES(REPORT_)
    if (n > 0) {
        fprintf(stderr, ", for which this program was built; build it here with 'make ARCH=native' "
                        "or anywhere with 'make ARCH=x86-64'\n");
        exit(1);
    }
}

#define BIT_(macro, name) set |= (__builtin_cpu_supports(name) != 0 ? 1U : 0U) << row++;

unsigned cpu_supported(void)
{
    unsigned set = 0;
    int row = 0;
    __builtin_cpu_init();
    CPU_FEATURES(BIT_)
    return set;
}
#else
void cpu_check(void)
{
}

unsigned cpu_supported(void)
{
    return 0;
}
#endif
