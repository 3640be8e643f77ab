/* Fuzzes workload_init(): a recorded load, one number a line. */
#include "core/scenario/workload.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

enum { MEAN_RPS = 100 };
static struct workload_cfg cfg;
static struct workload workload;

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    cfg = (struct workload_cfg){.mean_rps = MEAN_RPS, .file = fuzz_source()};
    workload = (struct workload){.n_recorded = -1};
    fuzz_to_file(bytes, n);
    return workload_init(&workload, scratch, &cfg);
}

/* The mean of what is kept is mean_rps, so every rate is finite. */
static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes;
    if (e != ERR_OK) {
        CHECK(workload.n_recorded == -1 && workload.recorded == NULL);
        return;
    }
    double sum = 0.0;
    CHECK(workload.n_recorded >= 1 && (size_t)workload.n_recorded <= n);
    for (int i = 0; i < workload.n_recorded; i++) {
        CHECK(workload.recorded[i] >= 0.0F);
        sum += (double)workload.recorded[i];
    }
    CHECK(fabs(sum / workload.n_recorded / MEAN_RPS - 1.0) < 1e-4);
}

static void seeds(void)
{
    static const char *const files[] = {"1\n2\n3\n4\n5\n6.5\n",
                                        "# comment\n 1e3\t\r\n\n+2.5e-1\n0\n0\n12\n.5",
                                        "1\n2\n",
                                        "0\n0\n0\n0\n0\n",
                                        "1\n-2\n3\n4\n5\n",
                                        "nan\n1\n2\n3\n4\n5\n",
                                        "1\n2\n1e13\n4\n5\n",
                                        "1 2\n3\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
    fuzz_seed("1\n2\0\n3\n", 7);
}

/* The text (first 64 KiB, then doubling); a rate of two bytes is kept as a double, doubling, and
 * then as a float. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 32, .read = read, .check = check, .seeds = seeds};
