/* Fuzzes prometheus_parse(): an answer to a query. The first byte chooses the status. */
#include "core/transfer/prometheus.h"
#include "core/base/log.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct prom_result result;

/* The client logs nothing, so the reason is logged here: there must be one. */
static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const int status = n > 0 && bytes[0] == '!' ? 422 : 200;
    const size_t skip = status == 422 ? 1 : 0;
    const enum err e = prometheus_parse(&result, scratch, status, bytes + skip, n - skip);
    if (e != ERR_OK) {
        CHECK(result.why[0] != '\0');
        log_error("%s: %s", fuzz_source(), result.why);
    }
    return e;
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes, (void)n;
    CHECK(e == ERR_OK || result.n_series == 0);
    for (int i = 0; i < result.n_series; i++) {
        const struct prom_series *s = &result.series[i];
        CHECK(s->n_samples > 0);
        for (int k = 1; k < s->n_samples; k++) {
            CHECK(s->samples[k].time_s > s->samples[k - 1].time_s);
        }
        for (int k = 0; k < s->n_labels; k++) {
            CHECK(s->labels[k].name != NULL && s->labels[k].value != NULL);
        }
    }
    for (int i = 0; i < result.n_warnings; i++) {
        CHECK(result.warnings[i] != NULL);
    }
}

#define ANSWER(type, rest) "{\"status\":\"success\",\"data\":{\"resultType\":\"" type "\"," rest "}"

static void seeds(void)
{
    static const char *const texts[] = {
        ANSWER("vector", "\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":"
                         "[1796068265.587,\"4\"]},{\"metric\":{},\"value\":[1,\"NaN\"]}]}"),
        ANSWER("matrix", "\"result\":[{\"metric\":{\"a\":\"b\"},\"values\":[[1,\"1e3\"],"
                         "[16,\"+Inf\"],[31,\"-Inf\"]]}]}"),
        ANSWER("scalar", "\"result\":[1796068265.5,\"1796068265.5\"]}"),
        ANSWER("vector", "\"result\":[]},\"warnings\":[\"w\"]"),
        "!{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"many-to-many\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fuzz_seed(texts[i], strlen(texts[i]));
    }
}

/* Besides the tree of json.h a series and a sample for each list, and a label for each key. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 256 * 1024, .each = 1024, .read = read, .check = check, .seeds = seeds};
