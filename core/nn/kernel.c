/* The choice of the kernel: what the program contains and this CPU can run, widest first. */
#include "core/nn/kernel.h"

#include "core/base/log.h"

#include <stdlib.h>
#include <string.h>

enum { KERNELS_MAX = 3 };

#if defined(__x86_64__)
/* What -march=x86-64-v4 and -march=x86-64-v3 may use; the system must save the registers, too,
 * which the builtin checks. */
static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static const struct kernel *const all[KERNELS_MAX] = {&kernel_avx512, &kernel_avx2, &kernel_plain};

static int first_supported(void)
{
    return has_avx512() ? 0 : has_avx2() ? 1 : 2;
}
#else
static const struct kernel *const all[] = {&kernel_plain};

static int first_supported(void)
{
    return 0;
}
#endif

const struct kernel *const *kernel_list(int *n)
{
    const int first = first_supported();
    *n = (int)(sizeof(all) / sizeof(all[0])) - first;
    return all + first;
}

/* The widest kernel, or the one that the environment names. */
static const struct kernel *choose(void)
{
    int n;
    const struct kernel *const *list = kernel_list(&n);
    const char *wanted = getenv("KARMA_KERNEL");
    if (wanted == NULL || *wanted == '\0') {
        return list[0];
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->name, wanted) == 0) {
            return list[i];
        }
    }
    log_warn("KARMA_KERNEL=%s is no kernel of this CPU; '%s' is used", wanted, list[0]->name);
    return list[0];
}

const struct kernel *kernel_chosen(void)
{
    static const struct kernel *chosen; /* threads that race here store the same pointer */
    const struct kernel *kernel = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (__builtin_expect(kernel == NULL, 0)) {
        kernel = choose();
        __atomic_store_n(&chosen, kernel, __ATOMIC_RELAXED);
    }
    return kernel;
}
