/* The legitimate load of an episode, one rate per second.
 *
 * Model, with every factor of mean 1 over episodes, so that the time mean is mean_rps:
 *
 *     rate = mean (1 + daily cos(day turn)) (1 + weekly cos(week turn)) (1 + trend (t - T/2) / T)
 *            exp(s x(t) - s^2 / 2) (1 + bursts(t)) / B
 *
 *   turns   an episode begins at a time of the day and on a day of the week that are drawn; the
 *           two sines have no common harmonic, so their product has mean 1, too
 *   trend   symmetric about the middle of the episode
 *   x       stationary Ornstein-Uhlenbeck process with correlation time noise_s, stepped per
 *           second; s^2 = log(1 + noise^2) gives the log-normal factor the standard deviation
 *           `noise`
 *   bursts  shot noise: Poisson starts, duration U(0.5, 1.5) burst_s, height
 *           U(0, burst_factor - 1), rising and falling over a quarter of the duration; the area is
 *           height x duration, so
 *   B       = 1 + rate of starts x mean height x burst_s      (N. Campbell's theorem, 1909)
 *
 * The rate is never below 5 % of the mean; this raises the time mean only where daily and noise are
 * near their upper bounds.
 */
#include "core/scenario/workload.h"

#include "core/base/fmath.h"
#include "core/base/log.h"
#include "core/base/plural.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* First coordinate of a draw of RNG_WORKLOAD; the second is the second or the number of the burst.
 */
enum draw { DRAW_PHASE, DRAW_NOISE, DRAW_BURST, DRAW_OFFSET };

enum { DAY_S = 86400, WEEK_DAYS = 7 };
static const double FLOOR_SHARE = 0.05;
static const double TRAIN_SHARE = 0.6, DEV_SHARE = 0.2;
/* A burst lasts 0.5 to 1.5 times burst_s, and each edge a quarter of that. */
static const double BURST_SHORTEST = 0.5, BURST_LONGEST = 1.5, BURST_EDGE = 0.25;

const struct cfg_field workload_fields[] = {
    CFG_DOUBLE(struct workload_cfg, mean_rps, "200", 0.01, 1e6, "1/s", CFG_RESULT,
               "nominal load at the entries"),
    CFG_PATH(struct workload_cfg, file, "", CFG_RESULT,
             "recorded load, scaled to mean_rps: one rate a line at 1 Hz, or CSV with a time; also "
             ".gz; empty = the model"),
    CFG_STRING(struct workload_cfg, time_column, "", CFG_RESULT,
               "of a CSV: name, or number as '#1'; empty = time, timestamp, date ..."),
    CFG_STRING(struct workload_cfg, rate_column, "", CFG_RESULT,
               "of a CSV; empty = rate, rps, requests, value ..., or the other of two columns"),
    CFG_DOUBLE(
        struct workload_cfg, time_unit_s, "1", 1e-9, 1e6, "s", CFG_RESULT,
        "of a CSV whose times are numbers: length of one unit; 3600 = hours; 1 = seconds, or "
        "what they must be if they cannot be (ms, us, ns since 1970, YYYYMMDDHH ...)"),
    CFG_DOUBLE(struct workload_cfg, gap_s, "0", 0, 1e9, "s", CFG_RESULT,
               "rows of a CSV further apart have a gap between them, which no episode crosses, as "
               "have 10 minutes without a request; 0 = three times the median spacing"),
    CFG_DOUBLE(struct workload_cfg, daily, "0.2", 0, 0.8, "", CFG_RESULT,
               "amplitude of the daily sine, share of the mean"),
    CFG_DOUBLE(struct workload_cfg, weekly, "0", 0, 0.8, "", CFG_RESULT,
               "amplitude of the weekly sine, share of the mean"),
    CFG_DOUBLE(struct workload_cfg, trend, "0", -1, 1, "", CFG_RESULT,
               "growth from the start to the end of an episode, share of the mean"),
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

/* ---- a recording ---- */

enum err workload_init(struct workload *w, struct arena *arena, const struct workload_cfg *cfg)
{
    struct workload made = {.cfg = cfg};
    if (cfg->file[0] != '\0') {
        const struct recording_format format = {
            .path = cfg->file,
            .time_column = cfg->time_column,
            .rate_column = cfg->rate_column,
            .time_unit_s = cfg->time_unit_s,
            .gap_s = cfg->gap_s,
        };
        TRY(recording_read(&made.recording, arena, &format, cfg->mean_rps));
    }
    *w = made;
    return ERR_OK;
}

/* ---- an episode of a recording ---- */

/* Seconds of a recording. */
struct span {
    int begin, len;
};

static struct span span_of(int n_recorded, enum rng_split split)
{
    /* The three spans meet and do not overlap, so no split sees a second of another one. */
    int dev = (int)(TRAIN_SHARE * n_recorded);
    int test = (int)((TRAIN_SHARE + DEV_SHARE) * n_recorded);
    int begin = split == RNG_TRAIN ? 0 : split == RNG_DEV ? dev : test;
    int end = split == RNG_TRAIN ? dev : split == RNG_DEV ? test : n_recorded;
    return (struct span){begin, end - begin};
}

/* What a piece and a split have in common; len 0 if nothing. */
static struct span piece_in(const struct recording *r, int piece, struct span split)
{
    int begin = r->pieces[piece], end = r->pieces[piece + 1];
    begin = begin > split.begin ? begin : split.begin;
    end = end < split.begin + split.len ? end : split.begin + split.len;
    return (struct span){begin, end > begin ? end - begin : 0};
}

static int starts_in(struct span s, int n_seconds)
{
    return s.len >= n_seconds ? s.len - n_seconds + 1 : 0;
}

void workload_warn_short(const struct workload *w, int n_seconds)
{
    static const char *const names[] = {"TRAIN", "DEV", "TEST"};
    static const enum rng_split splits[] = {RNG_TRAIN, RNG_DEV, RNG_TEST_SPLIT};
    const struct recording *r = &w->recording;
    char list[128] = "";
    for (int k = 0; k < 3 && r->n_seconds > 0; k++) {
        const struct span split = span_of(r->n_seconds, splits[k]);
        int longest = 0;
        for (int i = 0; i < r->n_pieces; i++) {
            const int len = piece_in(r, i, split).len;
            longest = len > longest ? len : longest;
        }
        const size_t n = strlen(list);
        if (longest < n_seconds) {
            (void)snprintf(list + n, sizeof list - n, "%s%d s for %s", n > 0 ? ", " : "", longest,
                           names[k]);
        }
    }
    if (list[0] != '\0') {
        log_warn(
            "%s: %d sample%s over %d s; an episode lasts %d s, and the longest stretch without "
            "a gap is %s: episodes there repeat it. Give a longer recording, or shorten "
            "game.horizon",
            w->cfg->file, r->n_samples, plural_s(r->n_samples), r->n_seconds, n_seconds, list);
    }
}

static struct rng_block draw(const struct episode_id *id, struct rng_key key, enum draw what,
                             uint32_t number)
{
    return rng_philox(key, (uint32_t)what, number, id->episode, id->env);
}

/* Uniformly among all starts from which the episode stays inside a piece of its split. If it fits
 * in none, it goes round in the longest, from anywhere. */
static void replay(float *rps, const struct workload *w, const struct episode_id *id,
                   struct rng_key key, int n_seconds, int ahead_s)
{
    const struct recording *r = &w->recording;
    struct span split = span_of(r->n_seconds, id->split), at = {0, 0};
    int n_starts = 0;
    for (int i = 0; i < r->n_pieces; i++) {
        struct span s = piece_in(r, i, split);
        n_starts += starts_in(s, n_seconds);
        at = s.len > at.len ? s : at;
    }
    uint32_t word = draw(id, key, DRAW_OFFSET, 0).v[0];
    /* One number among all starts, counted through the pieces in order; the loop below subtracts
     * the starts of each piece until the number falls into one. If there is no start, `at` is the
     * longest piece, and the number is a second of it. */
    int start = (int)rng_below(word, (uint32_t)(n_starts > 0 ? n_starts : at.len));
    for (int i = 0; n_starts > 0 && i < r->n_pieces; i++) {
        at = piece_in(r, i, split);
        int here = starts_in(at, n_seconds);
        if (start < here) {
            break;
        }
        start -= here;
    }
    recording_play(rps, r, at.begin + start, at.begin, at.len, n_seconds + ahead_s);
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
    /* Exponential gaps are memoryless, so a Poisson process may be begun anywhere. A burst lasts at
     * most BURST_LONGEST x burst_s and then falls for BURST_EDGE of that: one that starts before
     * start_s is over at 0. The loop ends with probability 1, after about
     * burst_per_h x length / 3600 steps. */
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

/* Days since the start of the week, in units of 2^-32, over 7. */
static uint32_t week_turn(uint64_t weekday, uint32_t day_turn, int t)
{
    /* Adding a week adds 7 x 2^32 to `days` and 2^32 to the quotient, which the conversion to 32
     * bits drops: the turn repeats exactly every week. */
    uint64_t days = (weekday << 32) + day_turn + ((uint64_t)t << 32) / DAY_S;
    return (uint32_t)(days / WEEK_DAYS);
}

/* rps (n_seconds + ahead_s) holds the bursts' share on entry and the load on return. */
static void model_load(float *rps, const struct workload_cfg *cfg, const struct episode_id *id,
                       struct rng_key key, double mean, int n_seconds, int ahead_s)
{
    /* x' = keep x + kick z with keep = exp(-1 / noise_s) and kick^2 = 1 - keep^2 keeps the variance
     * 1: keep^2 + kick^2 = 1. x starts from its stationary law, so every second has it. The
     * covariance over t seconds is keep^t = exp(-t / noise_s). */
    double s2 = fm_log(1.0 + cfg->noise * cfg->noise);
    double s = sqrt(s2);
    double keep = fm_exp(-1.0 / cfg->noise_s);
    double kick = sqrt(1.0 - keep * keep);
    struct rng_block start = draw(id, key, DRAW_PHASE, 0);
    double x = rng_normal(start.v[1], start.v[2]);
    struct rng_block block = {{0}};
    uint64_t weekday = rng_below(start.v[3], WEEK_DAYS);
    for (int t = 0; t < n_seconds + ahead_s; t++) {
        uint32_t turn = start.v[0] + (uint32_t)(((uint64_t)(t % DAY_S) << 32) / DAY_S);
        double day = 1.0 + cfg->daily * fm_cos_turn(turn);
        double week = 1.0 + cfg->weekly * fm_cos_turn(week_turn(weekday, start.v[0], t));
        double trend = 1.0 + cfg->trend * ((t + 0.5) / n_seconds - 0.5);
        double load = mean * day * week * trend * fm_exp(s * x - 0.5 * s2) * (1.0 + (double)rps[t]);
        rps[t] = (float)fmax(load, FLOOR_SHARE * cfg->mean_rps);
        if (t % 2 == 0) {
            block = draw(id, key, DRAW_NOISE, (uint32_t)t / 2); /* two normals a block */
        }
        x = keep * x + kick * rng_normal(block.v[t % 2 * 2], block.v[t % 2 * 2 + 1]);
    }
}

void workload_draw_ahead(float *rps, const struct workload *w, const struct episode_id *id,
                         int n_seconds, int ahead_s)
{
    const int n = n_seconds + ahead_s;
    const struct workload_cfg *cfg = w->cfg;
    struct rng_key key = rng_key(id->seed, RNG_WORKLOAD, id->split);
    if (w->recording.n_seconds > 0) {
        replay(rps, w, id, key, n_seconds, ahead_s);
        return;
    }
    memset(rps, 0, (size_t)n * sizeof *rps);
    draw_bursts(rps, cfg, id, key, n);
    double burst_mean = cfg->burst_per_h / 3600.0 * 0.5 * (cfg->burst_factor - 1.0) * cfg->burst_s;
    model_load(rps, cfg, id, key, cfg->mean_rps / (1.0 + burst_mean), n_seconds, ahead_s);
}

void workload_draw(float *rps, const struct workload *w, const struct episode_id *id, int n_seconds)
{
    workload_draw_ahead(rps, w, id, n_seconds, 0);
}
