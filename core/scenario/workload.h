/* The legitimate load: a model, or a recording replayed.
 *
 * Model: mean x daily and weekly shape x trend x slow noise x bursts; recording: a file of rates
 * (recording.h), scaled to the configured mean, each episode starting at its own offset and, where
 * it fits, crossing no gap. A recording is split in time: TRAIN plays the first 60 % of what was
 * recorded, DEV the next 20 %, TEST the last 20 %, so that no evaluation sees what training saw.
 */
#ifndef KARMA_SCENARIO_WORKLOAD_H
#define KARMA_SCENARIO_WORKLOAD_H

#include "core/base/config.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/plant/plant.h"
#include "core/scenario/recording.h"

struct workload_cfg {
    double mean_rps;                       /* nominal load at the entries */
    const char *file;                      /* "" = the model */
    const char *time_column, *rate_column; /* of a CSV file; "" = by their usual names */
    double time_unit_s;                    /* of its times, if they are numbers */
    double gap_s;                          /* longer spacings are gaps; 0 = 3 x the median */
    double daily;                          /* amplitude of the daily sine, share of the mean */
    double weekly;                         /* of the weekly sine */
    double trend;                          /* growth over an episode, share of the mean */
    double noise;        /* standard deviation of the slow noise, share of the mean */
    double noise_s;      /* its correlation time, s */
    double burst_per_h;  /* mean number of bursts an hour */
    double burst_factor; /* a burst multiplies the load by 1 .. burst_factor */
    double burst_s;      /* mean duration */
};
extern const struct cfg_field workload_fields[];

struct workload {
    const struct workload_cfg *cfg;
    struct recording recording; /* n_seconds 0 = the model */
};

/* Reads and checks the file, if there is one: recording_read(). */
enum err workload_init(struct workload *w, struct arena *arena,
                       const struct workload_cfg *cfg) WARN_UNUSED;

/* A warning if some split of the recording holds no piece as long as an episode, so that episodes
 * there play the longest one again from its start. Silent for the model. */
void workload_warn_short(const struct workload *w, int n_seconds);

/* rps (n_seconds): the load of one episode. Pure function of (workload, id, n_seconds). */
void workload_draw(float *rps, const struct workload *w, const struct episode_id *id,
                   int n_seconds);

/* rps (n_seconds + ahead_s): the same load to the bit, and how it would go on. An episode of a
 * recording is one that fits without what lies ahead, which may begin the piece again. */
void workload_draw_ahead(float *rps, const struct workload *w, const struct episode_id *id,
                         int n_seconds, int ahead_s);

#endif
