/* Fuzzes workload_init(): a recorded load, one number a line or rows with times. What stands in a
 * packed file is read by the same code once it is unpacked; here a packed file is read as a
 * comment, because what it unpacks to has no bound in its length.
 */
#include "core/scenario/workload.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

enum { MEAN_RPS = 100, GZIP_MAGIC = 0x1f };
static struct workload_cfg cfg;
static struct workload workload;

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    cfg = (struct workload_cfg){.mean_rps = MEAN_RPS,
                                .file = fuzz_source(),
                                .time_column = "",
                                .rate_column = "",
                                .time_unit_s = 1.0};
    workload = (struct workload){.recording.n_seconds = -1};
    fuzz_to_file(n > 0 && bytes[0] == GZIP_MAGIC ? (const unsigned char *)"#" : bytes,
                 n > 0 && bytes[0] == GZIP_MAGIC ? 1 : n);
    return workload_init(&workload, scratch, &cfg);
}

/* Samples and pieces ascend, and the mean of what is kept is mean_rps: every rate is finite. */
static void check(const unsigned char *bytes, size_t n, enum err e)
{
    const struct recording *r = &workload.recording;
    (void)bytes;
    if (e != ERR_OK) {
        CHECK(r->n_seconds == -1 && r->samples == NULL);
        return;
    }
    double sum = 0.0;
    CHECK(r->n_seconds >= 1 && r->n_samples >= 1 && (size_t)r->n_samples <= n);
    for (int i = 0; i < r->n_samples; i++) {
        const int end = i + 1 < r->n_samples ? r->samples[i + 1].from : r->n_seconds;
        CHECK(end > r->samples[i].from && r->samples[i].rps >= 0.0F);
        sum += (double)r->samples[i].rps * (end - r->samples[i].from);
    }
    for (int i = 0; i < r->n_pieces; i++) {
        CHECK(r->pieces[i] < r->pieces[i + 1]);
    }
    CHECK(r->pieces[r->n_pieces] == r->n_seconds);
    CHECK(fabs(sum / r->n_seconds / MEAN_RPS - 1.0) < 1e-4);
}

static void seeds(void)
{
    static const char *const files[] = {
        "1\n2\n3\n4\n5\n6.5\n",
        "# comment\n 1e3\t\r\n\n+2.5e-1\n0\n0\n12\n.5",
        "1\n2\n",
        "0\n0\n0\n0\n0\n",
        "1\n-2\n3\n4\n5\n",
        "nan\n1\n2\n3\n4\n5\n",
        "1\n2\n1e13\n4\n5\n",
        "1 2\n3\n",
        "time,rps\n0,1\n60,2\n120,3\n180,1\n1000,5\n1060,7\n",
        "timestamp;rate\n2026-01-01T00:00:00Z;4\n"
        "2026-01-01T00:01:00Z;NaN\n2026-01-01T00:02:00Z;6\n",
        "\xef\xbb\xbfsep=;\r\n\"Time\";\"Value\"\r\n"
        "1614949200000;40,5\r\n1614949215000;80\r\n",
        "timestamp,views\n2016010123,3\n2016010200,0\n2016010201,2\n",
        "_time\t_value\r0\t1\r600\t0\r1200\t0\r1800\t5\r"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
    fuzz_seed("1\n2\0\n3\n", 7);
}

/* The text (first 64 KiB, then doubling); a row of two bytes is kept as 32, doubling, its spacing
 * and its rate are, doubling, and then a sample and a piece. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 160, .read = read, .check = check, .seeds = seeds};
