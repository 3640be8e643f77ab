/* Bounds of the differences between clocks, from barriers. See skew.h. */
#include "mpi/comm/skew.h"

#include <math.h>
#include <time.h>

double skew_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum err skew_sample(struct skew_sample *out, struct comm *comm)
{
    for (int i = 0; i < SKEW_ROUNDS; i++) {
        out->entered[i] = skew_now();
        TRY(comm_barrier(comm));
        out->left[i] = skew_now();
    }
    return ERR_OK;
}

bool skew_bounds(double *lo, double *hi, const struct skew_sample *zero,
                 const struct skew_sample *mine)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    for (int i = 0; i < SKEW_ROUNDS; i++) {
        const double least = mine->entered[i] - zero->left[i];
        const double most = mine->left[i] - zero->entered[i];
        *lo = least > *lo ? least : *lo;
        *hi = most < *hi ? most : *hi;
    }
    return *lo <= *hi;
}
