/* All readers x all spellings of a table: a recorded load and a table of measurements that are
 * spelt alike are read alike, or are refused alike. A cell of the matrix is a table of 40 samples
 * 15 s apart, written in one spelling for one reader.
 */
#include "core/base/file.h"
#include "core/scenario/workload.h"
#include "core/trace/check.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <zlib.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum reader { WORKLOAD, TRACE, READERS };
enum outcome { READ, WARNED, REFUSED };
static const char *const reader_names[] = {"a workload", "a trace"};
static const char *const outcome_names[] = {"read", "read with a warning", "refused"};

enum { ROWS = 40, START = 1614949200 };

/* How a table is spelt. Zero: a comma, LF, seconds since 1970. */
struct spelling {
    const char *name;
    enum outcome outcome;
    const char *says;   /* of a warning or refusal: what both readers say */
    const char *before; /* ahead of the header */
    char separator;
    const char *line_end;
    bool quoted, decimal_comma, extra_column, packed, torn, header_only;
    const char *time_name, *rate_name; /* "-": there is no such column */
    const char *time_format;           /* of a time that is a number; NULL: "%.0f" */
    double time_unit;                  /* the number is seconds x this; 0 = 1 */
    double time_zero;                  /* and begins here; NaN in no row */
    bool dates, hours, days;           /* ISO 8601; YYYYMMDDHH; YYYYMMDD */
    int odd_row;                       /* a row with ... */
    const char *odd_time, *odd_rate, *odd_end;
    bool counter, resets, empty_hour; /* what the rates are */
    const char *whole;                /* the file as it stands */
    size_t whole_bytes;
};

static const struct spelling spellings[] = {
    {.name = "plain"},
    {.name = "byte-order mark", .before = "\xef\xbb\xbf"},
    {.name = "CRLF", .line_end = "\r\n"},
    {.name = "CR", .line_end = "\r"},
    {.name = "semicolons", .separator = ';'},
    {.name = "tabs", .separator = '\t'},
    {.name = "sep=,", .before = "sep=,\n"},
    {.name = "sep=;", .before = "sep=;\n", .separator = ';'},
    {.name = "mark, sep=, CRLF, quotes",
     .before = "\xef\xbb\xbfsep=;\r\n",
     .separator = ';',
     .line_end = "\r\n",
     .quoted = true},
    {.name = "quotes", .quoted = true},
    {.name = "comments", .before = "# from Grafana\n\n#group,false\n"},
    {.name = "gzip", .packed = true},
    {.name = "decimal commas", .separator = ';', .decimal_comma = true},
    {.name = "decimal commas, tabs", .separator = '\t', .decimal_comma = true},
    {.name = "an extra column", .extra_column = true},
    {.name = "_time", .time_name = "_time"},
    {.name = "TIMESTAMP", .time_name = "TIMESTAMP"},
    {.name = "another case", .rate_name = "HTTP_Requests_per_Second"},
    {.name = "dates", .dates = true},
    {.name = "milliseconds", .time_unit = 1e3},
    {.name = "microseconds", .time_unit = 1e6},
    {.name = "nanoseconds", .time_unit = 1e9},
    {.name = "YYYYMMDDHH", .hours = true},
    {.name = "YYYYMMDD", .days = true},
    {.name = "seconds from 0", .time_zero = -START},
    {.name = "an empty cell",
     .outcome = WARNED,
     .says = "2.5 % of the ",
     .odd_row = 7,
     .odd_rate = ""},
    {.name = "NaN", .outcome = WARNED, .says = "2.5 % of the ", .odd_row = 7, .odd_rate = "NaN"},
    {.name = "null", .outcome = WARNED, .says = "2.5 % of the ", .odd_row = 7, .odd_rate = "null"},
    {.name = "blank lines", .odd_row = 7, .odd_rate = "50.5\n\n  "},
    {.name = "milliseconds from 0",
     .outcome = WARNED,
     .says = "rows are 15000 s apart, an unusual spacing",
     .time_unit = 1e3,
     .time_zero = -START},
    {.name = "rates that only grow",
     .outcome = WARNED,
     .says = "total of a counter",
     .counter = true},
    {.name = "an hour without a request",
     .outcome = WARNED,
     .says = "gaps",
     .hours = true,
     .empty_hour = true},
    {.name = "a counter",
     .outcome = REFUSED,
     .says = "total of a counter",
     .counter = true,
     .resets = true},
    {.name = "no time", .outcome = REFUSED, .says = "columns found: 'when'", .time_name = "when"},
    {.name = "no rate",
     .outcome = REFUSED,
     .says = "columns found: 'time'",
     .rate_name = "load",
     .extra_column = true},
    {.name = "a cell too few",
     .outcome = REFUSED,
     .says = ":9: the row has",
     .odd_row = 7,
     .odd_rate = "-"},
    {.name = "a cell too many",
     .outcome = REFUSED,
     .says = ":9: the row has",
     .odd_row = 7,
     .odd_rate = "5,5"},
    {.name = "an open quote",
     .outcome = REFUSED,
     .says = ":9: a quote is never closed",
     .odd_row = 7,
     .odd_rate = "\"5"},
    {.name = "a stray quote",
     .outcome = REFUSED,
     .says = ":9: a quote in the middle",
     .odd_row = 7,
     .odd_rate = "5\"5"},
    {.name = "a word", .outcome = REFUSED, .says = "'many'", .odd_row = 7, .odd_rate = "many"},
    {.name = "a unit",
     .outcome = REFUSED,
     .says = "without its unit",
     .odd_row = 7,
     .odd_rate = "50 req/s"},
    {.name = "thousands",
     .outcome = REFUSED,
     .says = "thousands",
     .odd_row = 7,
     .odd_rate = "\"1,500.5\""},
    {.name = "negative", .outcome = REFUSED, .odd_row = 7, .odd_rate = "-5"},
    {.name = "infinite", .outcome = REFUSED, .odd_row = 7, .odd_rate = "inf"},
    {.name = "a word for a time",
     .outcome = REFUSED,
     .says = "is no time",
     .odd_row = 7,
     .odd_time = "later"},
    {.name = "no time in a row",
     .outcome = REFUSED,
     .says = "is no time",
     .odd_row = 7,
     .odd_time = ""},
    {.name = "a date among numbers",
     .outcome = REFUSED,
     .says = "same form",
     .odd_row = 7,
     .odd_time = "2021-03-05 13:01:45"},
    {.name = "unsorted", .outcome = REFUSED, .odd_row = 7, .odd_time = "1614949201"},
    {.name = "twice", .outcome = REFUSED, .odd_row = 7, .odd_time = "1614949290"},
    {.name = "no epoch",
     .outcome = REFUSED,
     .says = "neither seconds, nor milli-",
     .time_unit = 1e2},
    {.name = "months apart",
     .outcome = REFUSED,
     .says = "rows are 3",
     .time_unit = 2.4e5,
     .time_zero = -START},
    {.name = "a header only", .outcome = REFUSED, .header_only = true},
    {.name = "no header",
     .outcome = REFUSED,
     .says = "columns found: '16149492",
     .whole = "1614949200,a,1\n1614949215,a,2\n"},
    {.name = "nothing", .outcome = REFUSED, .says = "is empty", .whole = ""},
    {.name = "comments only", .outcome = REFUSED, .says = "is empty", .whole = "# a\n\n"},
    {.name = "a torn archive",
     .outcome = REFUSED,
     .says = "end in the middle",
     .packed = true,
     .torn = true},
    {.name = "UTF-16",
     .outcome = REFUSED,
     .says = "UTF-16",
     .whole = "\xff\xfet\0,\0",
     .whole_bytes = 6},
    {.name = "a workbook", .outcome = REFUSED, .says = "workbook", .whole = "PK\x03\x04rest"},
    {.name = "binary",
     .outcome = REFUSED,
     .says = ":2: not a text file",
     .whole = "time,x\n1,\0\n",
     .whole_bytes = 11},
};
enum { SPELLINGS = sizeof spellings / sizeof *spellings };

/* ---- writing ---- */

static double rate_of(const struct spelling *s, int i)
{
    const double rate = 50.5 + 10 * ((i * 7) % 11);
    if (s->counter) {
        double total = 1000;
        for (int k = s->resets && i >= 25 ? 25 : 0; k <= i; k++) {
            total = s->resets && k == 25 ? 0 : total + 15 * (50.5 + 10 * ((k * 7) % 11));
        }
        return total;
    }
    return s->empty_hour && i == 20 ? 0 : rate;
}

static void put_cell(struct buf *b, const struct spelling *s, const char *text, bool raw)
{
    const char *quote = s->quoted && !raw ? "\"" : "";
    OK(buf_printf(b, "%s%s%s", quote, text, quote));
}

static void time_text(char *text, size_t size, const struct spelling *s, int i)
{
    const double t = (START + s->time_zero + 15.0 * i) * (s->time_unit > 0 ? s->time_unit : 1);
    if (s->hours) {
        (void)snprintf(text, size, "201601%02d%02d", 1 + i / 24, i % 24);
    } else if (s->days) {
        (void)snprintf(text, size, "2016%02d%02d", 1 + i / 31, 1 + i % 31);
    } else if (s->dates) {
        (void)snprintf(text, size, "2021-03-05 13:%02d:%02d", i / 4, i % 4 * 15);
    } else {
        (void)snprintf(text, size, "%.0f", t);
    }
}

static void put_row(struct buf *b, const struct spelling *s, enum reader reader, int i)
{
    const char sep = s->separator != '\0' ? s->separator : ',';
    const bool odd = s->odd_row > 0 && i == s->odd_row;
    char text[64];
    time_text(text, sizeof text, s, i);
    put_cell(b, s, odd && s->odd_time != NULL ? s->odd_time : text, odd);
    if (reader == TRACE) {
        OK(buf_printf(b, "%c", sep));
        put_cell(b, s, "web", false);
    }
    (void)snprintf(text, sizeof text, "%g", rate_of(s, i));
    if (s->decimal_comma && strchr(text, '.') != NULL) {
        *strchr(text, '.') = ',';
    }
    if (!odd || s->odd_rate == NULL || strcmp(s->odd_rate, "-") != 0) {
        OK(buf_printf(b, "%c", sep));
        put_cell(b, s, odd && s->odd_rate != NULL ? s->odd_rate : text, odd);
    }
    OK(buf_printf(b, "%s", s->extra_column ? ",7" : ""));
    OK(buf_printf(b, "%s", s->line_end != NULL ? s->line_end : "\n"));
}

static void put_table(struct buf *b, const struct spelling *s, enum reader reader)
{
    const char sep = s->separator != '\0' ? s->separator : ',';
    OK(buf_printf(b, "%s", s->before != NULL ? s->before : ""));
    put_cell(b, s, s->time_name != NULL ? s->time_name : "time", false);
    if (reader == TRACE) {
        OK(buf_printf(b, "%c", sep));
        put_cell(b, s, "service", false);
    }
    OK(buf_printf(b, "%c", sep));
    put_cell(b, s, s->rate_name != NULL ? s->rate_name : "http_requests_per_second", false);
    OK(buf_printf(b, "%s%s", s->extra_column ? ",other" : "",
                  s->line_end != NULL ? s->line_end : "\n"));
    for (int i = 0; i < ROWS && !s->header_only; i++) {
        put_row(b, s, reader, i);
    }
}

static void pack(struct buf *b)
{
    unsigned char out[16384];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = b->data;
    z.avail_in = (unsigned)b->len;
    z.next_out = out;
    z.avail_out = sizeof out;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b->len = 0;
    OK(buf_append(b, out, z.total_out));
    assert_int_equal(deflateEnd(&z), Z_OK);
}

static void write_table(struct scene *f, const struct spelling *s, enum reader reader)
{
    f->text.len = 0;
    if (s->whole != NULL) {
        OK(buf_append(&f->text, s->whole, s->whole_bytes > 0 ? s->whole_bytes : strlen(s->whole)));
    } else {
        put_table(&f->text, s, reader);
    }
    if (s->packed) {
        pack(&f->text);
        f->text.len -= s->torn ? 12 : 0;
    }
    OK(file_write(f->path, f->text.data, f->text.len));
}

/* ---- reading ---- */

/* What a reader made of a table. */
struct observed {
    enum outcome outcome;
    double spacing_s, span_s; /* of a table that was read */
    int n;                    /* samples */
};

static struct observed read_workload(struct scene *f)
{
    const struct workload_cfg cfg = {
        .mean_rps = 100, .file = f->path, .time_column = "", .rate_column = "", .time_unit_s = 1};
    struct workload w = {0};
    if (workload_init(&w, &f->arena, &cfg) != ERR_OK) {
        return (struct observed){.outcome = REFUSED};
    }
    const struct recording *r = &w.recording;
    return (struct observed){.outcome = strstr(f->log.text, "warn") != NULL ? WARNED : READ,
                             .n = r->n_samples,
                             .spacing_s = r->samples[1].from - r->samples[0].from,
                             .span_s = r->n_seconds - 1};
}

static struct observed read_trace(struct scene *f)
{
    struct metrics_table s;
    struct check c;
    int n;
    if (metrics_table_read(&s, &f->arena, f->path) != ERR_OK) {
        return (struct observed){.outcome = REFUSED};
    }
    OK(check_table(&c, &f->arena, &s));
    const struct check_finding *found = check_findings(&c, &n);
    for (int i = 0; i < n; i++) { /* what is said stands in the findings */
        if (found[i].verdict != CHECK_PASS) {
            const size_t used = strlen(f->log.text);
            (void)snprintf(f->log.text + used, sizeof f->log.text - used, "%s\n", found[i].why);
        }
    }
    const struct observed observed = {.outcome = c.worst == CHECK_FAIL   ? REFUSED
                                                 : c.worst == CHECK_WARN ? WARNED
                                                                         : READ,
                                      .n = s.n_rows,
                                      .spacing_s = s.spacing_s,
                                      .span_s = s.time_s[s.n_rows - 1] - s.time_s[0]};
    check_release(&c);
    return observed;
}

static void check_cell(struct scene *f, const struct spelling *s, enum reader reader)
{
    heard_forget(&f->log);
    write_table(f, s, reader);
    const struct observed observed = reader == WORKLOAD ? read_workload(f) : read_trace(f);
    if (observed.outcome != s->outcome) {
        fail_msg("%s, %s: %s, not %s: %s", s->name, reader_names[reader],
                 outcome_names[observed.outcome], outcome_names[s->outcome], f->log.text);
    }
    if (s->says != NULL && strstr(f->log.text, s->says) == NULL) {
        fail_msg("%s, %s: '%s' is missing in: %s", s->name, reader_names[reader], s->says,
                 f->log.text);
    }
    if (s->outcome == READ) {
        const double spacing_s = s->hours ? 3600 : s->days ? 86400 : 15;
        assert_true(observed.spacing_s == spacing_s);
        assert_true(observed.n == ROWS || (observed.n == ROWS - 1 && s->odd_rate != NULL));
        if (observed.span_s != spacing_s * (ROWS - 1)) {
            fail_msg("%s, %s: %g s", s->name, reader_names[reader], observed.span_s);
        }
    }
}

static void test_matrix(void **state)
{
    struct scene *f = *state;
    for (int i = 0; i < SPELLINGS; i++) {
        for (int reader = 0; reader < READERS; reader++) {
            check_cell(f, &spellings[i], (enum reader)reader);
            arena_release(&f->arena);
            arena_init(&f->arena);
        }
    }
}

static int close_scene(void **state)
{
    return scene_close(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matrix, scene_setup, close_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
