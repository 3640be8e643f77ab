/* Fuzzes metrics_table_read() and check_table(): a table of measurements of any format. What stands
 * in a packed file is read by the same code once it is unpacked; here a packed file is left out,
 * because what it unpacks to has no bound in its length. */
#include "core/trace/metrics_table.h"
#include "core/trace/check.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <string.h>

enum { GZIP_MAGIC = 0x1f };
static struct metrics_table table;

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    struct check c;
    const bool packed = n > 0 && bytes[0] == GZIP_MAGIC;
    table = (struct metrics_table){.n_rows = -1};
    fuzz_to_file(packed ? (const unsigned char *)"#" : bytes, packed ? 1 : n);
    TRY(metrics_table_read(&table, scratch, fuzz_source()));
    TRY(check_table(&c, scratch, &table));
    check_release(&c);
    return ERR_OK;
}

/* Every row is of a run and a line that are there; long tables ascend in run and time. */
static void check(const unsigned char *bytes, size_t n, enum err e)
{
    const struct metrics_table *s = &table;
    (void)bytes;
    if (e != ERR_OK) {
        CHECK(s->n_rows == -1 && s->values == NULL);
        return;
    }
    CHECK(s->n_rows >= 1 && s->n_rows <= s->n_lines && s->n_columns >= 1 && s->n_services >= 1);
    CHECK((size_t)s->n_lines <= n);
    for (int i = 0; i < s->n_rows; i++) {
        CHECK(s->run[i] >= 0 && s->run[i] < s->n_runs && s->line[i] >= 2);
        CHECK(s->timed == isfinite(s->time_s[i]));
        if (i > 0 && !s->format->wide) {
            CHECK(s->run[i] > s->run[i - 1] ||
                  (s->run[i] == s->run[i - 1] && s->time_s[i] > s->time_s[i - 1]));
        }
    }
}

static void seeds(void)
{
    static const char *const files[] = {
        "date,a_num_pods,a_cpu_usage,a_mem_usage,a_latency,b_cpu_usage\n"
        "2024-11-18 17:04:31,1,17,0,0.5,3\n2024-11-18 17:04:34,2,18,1,0.25,4\n",
        "seen,a_cpu_usage,a_traffic_in\n1,2,3\n2,3,4\n",
        "timestamp,service,request_rate_rps,p50_latency_ms,p95_latency_ms,other\n"
        "2026-04-09T06:22:20.85+00:00,a,0.0,nan,nan,x\n2026-04-09T06:22:20.85+00:00,b,1,2,3,y\n"
        "2026-04-09T06:22:50+00:00,a,1,2,1,z\n",
        "file,timestamp,service,replicas,rps,p95_ms,cpu_pct\nr1,0,a,1,None,4.75,3\n"
        "r2,0,a,1,1,4.75,3\nr1,30,a,2,2,5,4\n",
        "controller,scenario,seed,episode,time,service,container_cpu_usage_cores,"
        "karma_offered_requests_per_second,karma_replicas_change\n"
        "\"a, b\",s,1,0,0,web,0.5,,1\n\"a, b\",s,1,0,0,,,20,\n",
        "date,a_cpu_usage\r\n0,1\r\n15,2",
        "date,a_cpu_usage\n0,\"1\n",
        "a,b\n1,2\n",
        "\xef\xbb\xbfsep=;\r\n\"Time\";\"Service\";\"http_requests_per_second\"\r\n"
        "1614949200000;a;40,5\r\n1614949200003;b;1\r\n1614949215000;a;80\r\n",
        "time,service,http_requests_per_second\n2016010123,a,1\n2016010200,a,0\n2016010201,a,2\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        fuzz_seed(files[i], strlen(files[i]));
    }
}

/* The text, its lines and values (doubling), the array (up to 64 cells for each of the file), what
 * the check takes of it, names of up to 1024 services. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 4 * 1024 * 1024, .each = 8192, .read = read, .check = check, .seeds = seeds};
