/* The legitimate load of an episode, one rate per second.
 *
 * Model, with every factor of mean 1 over episodes, so that the time mean is mean_rps:
 *
 *     rate = mean (1 + daily cos(2 pi t / day + phase)) exp(s x(t) - s^2 / 2) (1 + bursts(t)) / B
 *
 *   x       stationary Ornstein-Uhlenbeck process with correlation time noise_s, stepped per
 * second; s^2 = log(1 + noise^2) gives the log-normal factor the standard deviation `noise` bursts
 * shot noise: Poisson starts, duration U(0.5, 1.5) burst_s, height U(0, burst_factor - 1), rising
 * and falling over a quarter of the duration; the area is height x duration, so B       = 1 + rate
 * of starts x mean height x burst_s      (N. Campbell's theorem, 1909)
 *
 * The rate is never below 5 % of the mean; this raises the time mean only where daily and noise are
 * near their upper bounds.
 */
#include "core/scenario/workload.h"

#include "core/base/file.h"
#include "core/base/fmath.h"
#include "core/base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* First coordinate of a draw of RNG_WORKLOAD; the second is the second or the number of the burst.
 */
enum draw { DRAW_PHASE, DRAW_NOISE, DRAW_BURST, DRAW_OFFSET };

enum { DAY_S = 86400, RECORD_MIN = 5, FILE_BYTES_MAX = 256 * 1024 * 1024 };
static const double RATE_MAX = 1e12;
static const double FLOOR_SHARE = 0.05;
static const double TRAIN_SHARE = 0.6, DEV_SHARE = 0.2;
/* A burst lasts 0.5 to 1.5 times burst_s, and each edge a quarter of that. */
static const double BURST_SHORTEST = 0.5, BURST_LONGEST = 1.5, BURST_EDGE = 0.25;

const struct cfg_field workload_fields[] = {
    CFG_DOUBLE(struct workload_cfg, mean_rps, "200", 0.01, 1e6, "1/s", CFG_RESULT,
               "nominal load at the entries"),
    CFG_PATH(struct workload_cfg, file, "", CFG_RESULT,
             "recorded load, one rate a line at 1 Hz, scaled to mean_rps; empty = the model"),
    CFG_DOUBLE(struct workload_cfg, daily, "0.2", 0, 0.8, "", CFG_RESULT,
               "amplitude of the daily sine, share of the mean"),
    CFG_DOUBLE(struct workload_cfg, noise, "0.1", 0, 0.5, "", CFG_RESULT,
               "standard deviation of the slow noise, share of the mean"),
    CFG_DOUBLE(struct workload_cfg, noise_s, "120", 1, 86400, "s", CFG_RESULT,
               "correlation time of the slow noise"),
    CFG_DOUBLE(struct workload_cfg, burst_per_h, "4", 0, 3600, "1/h", CFG_RESULT,
               "mean number of bursts an hour"),
    CFG_DOUBLE(struct workload_cfg, burst_factor, "1.5", 1, 100, "", CFG_RESULT,
               "a burst multiplies the load by 1 to this"),
    CFG_DOUBLE(struct workload_cfg, burst_s, "60", 1, 3600, "s", CFG_RESULT,
               "mean duration of a burst"),
    CFG_END,
};

/* ---- reading a recording ---- */

/* The line without blanks at its ends, NUL-terminated in place. */
static char *trim(char *line, char *end)
{
    while (end > line && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return line + strspn(line, " \t");
}

/* Decimal numbers only: strtod alone would take nan, inf and hexadecimal ones. */
static bool parse_rate(double *rate, const char *s)
{
    if (strspn(s, "0123456789+-.eE") != strlen(s)) {
        return false;
    }
    char *end;
    *rate = strtod(s, &end);
    return end != s && *end == '\0';
}

static enum err read_line(struct buf *rates, const char *line, const char *path, int number)
{
    if (line[0] == '\0' || line[0] == '#') {
        return ERR_OK;
    }
    double rate;
    if (!parse_rate(&rate, line)) {
        log_error("%s:%d: '%.40s' is not a number; give one rate (requests/s) a line", path, number,
                  line);
        return ERR_FORMAT;
    }
    if (!(rate >= 0.0 && rate <= RATE_MAX)) {
        log_error("%s:%d: the rate %.40s is not from 0 to %g requests/s", path, number, line,
                  RATE_MAX);
        return ERR_FORMAT;
    }
    return buf_append(rates, &rate, sizeof rate);
}

/* text ends in a NUL behind its last byte, as file_read() leaves it. */
static enum err read_lines(struct buf *rates, struct buf *text, const char *path)
{
    char *at = (char *)text->data;
    char *text_end = at + text->len;
    for (int number = 1; at < text_end; number++) {
        char *newline = memchr(at, '\n', (size_t)(text_end - at));
        char *end = newline != NULL ? newline : text_end;
        if (memchr(at, '\0', (size_t)(end - at)) != NULL) {
            log_error("%s:%d: not a text file; give one rate (requests/s) a line", path, number);
            return ERR_FORMAT;
        }
        TRY(read_line(rates, trim(at, end), path, number));
        at = end + 1;
    }
    return ERR_OK;
}

static enum err read_recording(struct buf *rates, const char *path)
{
    struct buf text;
    buf_init(&text);
    enum err e = file_read(&text, path, FILE_BYTES_MAX);
    if (e == ERR_OK) {
        e = read_lines(rates, &text, path);
    }
    buf_release(&text);
    return e;
}

/* Scaled so that the mean of the whole recording is mean_rps. */
static enum err keep_recording(struct workload *w, struct arena *arena, const struct buf *rates)
{
    size_t n = rates->len / sizeof(double);
    const double *rate = (const double *)(const void *)rates->data;
    if (n < RECORD_MIN) {
        log_error("%s: %zu rates; a recording needs at least %d, one per second", w->cfg->file, n,
                  RECORD_MIN);
        return ERR_FORMAT;
    }
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += rate[i];
    }
    if (sum <= 0.0) {
        log_error("%s: every rate is 0, so nothing can be scaled to mean_rps", w->cfg->file);
        return ERR_FORMAT;
    }
    float *kept = ARENA_NEW(arena, n, float);
    if (kept == NULL) {
        return ERR_MEMORY;
    }
    double scale = w->cfg->mean_rps * (double)n / sum;
    for (size_t i = 0; i < n; i++) {
        kept[i] = (float)(rate[i] * scale);
    }
    w->recorded = kept;
    w->n_recorded = (int)n;
    return ERR_OK;
}

enum err workload_init(struct workload *w, struct arena *arena, const struct workload_cfg *cfg)
{
    struct workload made = {.cfg = cfg};
    if (cfg->file[0] != '\0') {
        struct buf rates;
        buf_init(&rates);
        enum err e = read_recording(&rates, cfg->file);
        if (e == ERR_OK) {
            e = keep_recording(&made, arena, &rates);
        }
        buf_release(&rates);
        TRY(e);
    }
    *w = made;
    return ERR_OK;
}

/* ---- an episode of a recording ---- */

/* First second and length of a split. */
static void split_bounds(int *first, int *len, int n_recorded, enum rng_split split)
{
    int dev = (int)(TRAIN_SHARE * n_recorded);
    int test = (int)((TRAIN_SHARE + DEV_SHARE) * n_recorded);
    int begin = split == RNG_TRAIN ? 0 : split == RNG_DEV ? dev : test;
    int end = split == RNG_TRAIN ? dev : split == RNG_DEV ? test : n_recorded;
    *first = begin;
    *len = end - begin;
}

static struct rng_block draw(const struct episode_id *id, struct rng_key key, enum draw what,
                             uint32_t number)
{
    return rng_philox(key, (uint32_t)what, number, id->episode, id->env);
}

/* From a drawn offset, wrapping inside the split if it is shorter than the episode. */
static void replay(float *rps, const struct workload *w, const struct episode_id *id,
                   struct rng_key key, int n_seconds)
{
    int first;
    int len;
    split_bounds(&first, &len, w->n_recorded, id->split);
    uint32_t n_offsets = (uint32_t)(len >= n_seconds ? len - n_seconds + 1 : len);
    int at = (int)rng_below(draw(id, key, DRAW_OFFSET, 0).v[0], n_offsets);
    for (int t = 0; t < n_seconds; t++) {
        rps[t] = w->recorded[first + at];
        at = at + 1 < len ? at + 1 : 0;
    }
}

/* ---- an episode of the model ---- */

/* Adds a burst's share to the seconds it covers, by its height at mid-second. */
static void add_burst(float *share, int n_seconds, double start_s, double length_s, double height)
{
    double edge_s = BURST_EDGE * length_s;
    double end_s = start_s + length_s + edge_s;
    for (int t = start_s > 0.0 ? (int)start_s : 0; t < n_seconds && t < end_s; t++) {
        double mid_s = t + 0.5;
        double rise = (fmin(mid_s - start_s, end_s - mid_s)) / edge_s;
        share[t] += (float)(height * fmax(0.0, fmin(1.0, rise)));
    }
}

/* share (n_seconds): sum of the bursts, those that began before the episode included. Starts form
 * one Poisson process from the earliest start that can still be felt, so bursts are stationary. */
static void draw_bursts(float *share, const struct workload_cfg *cfg, const struct episode_id *id,
                        struct rng_key key, int n_seconds)
{
    if (cfg->burst_per_h == 0.0) {
        return;
    }
    double mean_gap_s = 3600.0 / cfg->burst_per_h;
    double start_s = -BURST_LONGEST * cfg->burst_s * (1.0 + BURST_EDGE);
    for (uint32_t i = 0;; i++) {
        struct rng_block b = draw(id, key, DRAW_BURST, i);
        start_s += mean_gap_s * rng_exponential(b.v[0]);
        if (start_s >= n_seconds) {
            return;
        }
        double stretch = BURST_SHORTEST + (BURST_LONGEST - BURST_SHORTEST) * rng_open_f64(b.v[1]);
        double height = (cfg->burst_factor - 1.0) * rng_open_f64(b.v[2]);
        add_burst(share, n_seconds, start_s, cfg->burst_s * stretch, height);
    }
}

/* rps holds the bursts' share on entry and the load on return. */
static void model_load(float *rps, const struct workload_cfg *cfg, const struct episode_id *id,
                       struct rng_key key, double mean, int n_seconds)
{
    double s2 = fm_log(1.0 + cfg->noise * cfg->noise);
    double s = sqrt(s2);
    double keep = fm_exp(-1.0 / cfg->noise_s);
    double kick = sqrt(1.0 - keep * keep);
    struct rng_block start = draw(id, key, DRAW_PHASE, 0);
    double x = rng_normal(start.v[1], start.v[2]);
    struct rng_block block = {{0}};
    for (int t = 0; t < n_seconds; t++) {
        uint32_t turn = start.v[0] + (uint32_t)(((uint64_t)(t % DAY_S) << 32) / DAY_S);
        double day = 1.0 + cfg->daily * fm_cos_turn(turn);
        double load = mean * day * fm_exp(s * x - 0.5 * s2) * (1.0 + (double)rps[t]);
        rps[t] = (float)fmax(load, FLOOR_SHARE * cfg->mean_rps);
        if (t % 2 == 0) {
            block = draw(id, key, DRAW_NOISE, (uint32_t)t / 2); /* two normals a block */
        }
        x = keep * x + kick * rng_normal(block.v[t % 2 * 2], block.v[t % 2 * 2 + 1]);
    }
}

void workload_draw(float *rps, const struct workload *w, const struct episode_id *id, int n_seconds)
{
    const struct workload_cfg *cfg = w->cfg;
    struct rng_key key = rng_key(id->seed, RNG_WORKLOAD, id->split);
    if (w->recorded != NULL) {
        replay(rps, w, id, key, n_seconds);
        return;
    }
    memset(rps, 0, (size_t)n_seconds * sizeof *rps);
    draw_bursts(rps, cfg, id, key, n_seconds);
    double burst_mean = cfg->burst_per_h / 3600.0 * 0.5 * (cfg->burst_factor - 1.0) * cfg->burst_s;
    model_load(rps, cfg, id, key, cfg->mean_rps / (1.0 + burst_mean), n_seconds);
}
