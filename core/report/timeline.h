/* One episode played by one or several controllers, written down and ready to be drawn. */
#ifndef KARMA_REPORT_TIMELINE_H
#define KARMA_REPORT_TIMELINE_H

#include "core/controllers/controller.h"
#include "core/eval/episode.h"
#include "core/plant/episode_metrics.h"

enum { TIMELINE_TRACKS_MAX = 4 };

struct timeline {
    const struct env_setup *env_setup;
    enum plant_kind plant_kind; /* where it is played */
    int scenario;
    struct episode_id id;
    const char *title;
    struct controller *controllers[TIMELINE_TRACKS_MAX]; /* all meet the same episode */
    struct raider *raiders[TIMELINE_TRACKS_MAX]; /* who attacks each of them; NULL: nobody */
    int n_controllers;
    double warmup_s;           /* that the metrics leave out (eval.warmup_s) */
    bool shield;               /* behind the controllers (eval.shield) */
    const struct lie_cfg *lie; /* NULL: none */
    double *shielded; /* (n_controllers, SHIELDING_COLUMNS) of the episode; NULL: not wanted */
    int step_bound;   /* eval.step_bound */
};

/* Plays it with each controller. DIR (exists) gets timeline.gp and, for one controller, episode.csv
 * and cohorts.csv (see episode_csv.h); for several NAME-episode.csv and NAME-cohorts.csv each.
 * out (n_controllers): metrics of the episode; may be NULL. scratch is rewound. */
enum err timeline_write(struct episode_metrics *out, const struct timeline *t, const char *dir,
                        struct arena *scratch) WARN_UNUSED;

/* The first of n_episodes episodes, from id.env on, of the scenario in which something happens in
 * the first half, so that its end can be seen; id.env if there is none. */
uint32_t timeline_choose(const struct env_setup *w, int scenario, struct episode_id id,
                         int n_episodes, struct schedule *scratch);

#endif
