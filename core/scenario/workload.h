/* The legitimate load: a model, or a recording replayed.
 *
 * Model: mean x (1 + daily shape) x slow noise + bursts; file: one number a line, requests/s at
 * 1 Hz, scaled to the configured mean, each episode starting at its own offset. A recording is
 * split in time: TRAIN plays the first 60 %, DEV the next 20 %, TEST the last 20 %, so that no
 * evaluation sees what training saw.
 */
#ifndef KARMA_SCENARIO_WORKLOAD_H
#define KARMA_SCENARIO_WORKLOAD_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"

struct workload_cfg {
    double mean_rps;     /* nominal load at the entries */
    const char *file;    /* "" = the model */
    double daily;        /* amplitude of the daily sine, share of the mean */
    double noise;        /* standard deviation of the slow noise, share of the mean */
    double noise_s;      /* its correlation time, s */
    double burst_per_h;  /* mean number of bursts an hour */
    double burst_factor; /* a burst multiplies the load by 1 .. burst_factor */
    double burst_s;      /* mean duration */
};
extern const struct cfg_field workload_fields[];

struct workload {
    const struct workload_cfg *cfg;
    const float *recorded; /* requests/s, one per second, scaled to mean_rps; NULL = the model */
    int n_recorded;
};

/* Reads and checks the file: a sentence with file:line for a missing file, an empty one, a line
 * that is not a number, a negative or non-finite rate. */
enum err workload_init(struct workload *w, struct arena *arena,
                       const struct workload_cfg *cfg) WARN_UNUSED;

/* rps (n_seconds): the load of one episode. Pure function of (workload, id, n_seconds). */
void workload_draw(float *rps, const struct workload *w, const struct episode_id *id,
                   int n_seconds);

#endif
