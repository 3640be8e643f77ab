/* Episode -> CSV files -> script. See timeline.h. */
#include "core/report/timeline.h"

#include "core/eval/raider.h"
#include "core/report/episode_csv.h"
#include "core/report/figure.h"

#include <math.h>

/* Names the files of all controllers; a controller that is alone needs no name in them. */
static enum err name_tracks(struct figure_track *tracks, const struct timeline *t,
                            struct arena *arena)
{
    const char *labels[TIMELINE_TRACKS_MAX], *slugs[TIMELINE_TRACKS_MAX];
    const bool alone = t->n_controllers == 1;
    for (int i = 0; i < t->n_controllers; i++) {
        labels[i] = t->controllers[i]->name;
    }
    TRY(figure_slugs(slugs, arena, labels, t->n_controllers));
    for (int i = 0; i < t->n_controllers; i++) {
        tracks[i] = (struct figure_track){
            .label = labels[i],
            .episode = alone ? "episode.csv" : arena_printf(arena, "%s-episode.csv", slugs[i]),
            .cohorts = alone ? "cohorts.csv" : arena_printf(arena, "%s-cohorts.csv", slugs[i]),
            .means = t->raiders[i] != NULL ? raider_interface(t->raiders[i])->has : NULL};
    }
    return arena_error(arena);
}

/* The cohorts belong to the plant and are written before the next controller is played on it.
 * Ranges grow over all controllers, because their panels have common axes. */
static enum err record(struct episode_metrics *out, struct figure_timeline *f, struct episode *e,
                       const struct timeline *t, int i, const char *dir, struct arena *arena)
{
    const struct figure_track *track = &f->tracks[i];
    const char *episode_path = arena_printf(arena, "%s/%s", dir, track->episode);
    const char *cohorts_path = arena_printf(arena, "%s/%s", dir, track->cohorts);
    struct episode_csv csv;
    struct cohort_range range;
    int n_cohorts = 0;
    TRY(arena_error(arena));
    TRY(episode_csv_open(&csv, arena, episode_path, t->env_setup, e->shielding != NULL,
                         t->raiders[i] != NULL));
    const struct episode_observer observer = episode_csv_observer(&csv);
    e->raider = t->raiders[i];
    const enum err played = episode_run(e, out, t->controllers[i], t->scenario, &t->id, &observer);
    episode_csv_close(&csv);
    TRY(played);
    const struct plant_cohort *cohorts = plant_cohorts(e->plant, 0, &n_cohorts);
    TRY(cohorts != NULL ? episode_csv_write_cohorts(&range, arena, cohorts_path, t->env_setup,
                                                    cohorts, n_cohorts)
                        : episode_csv_write_periods(&range, &csv, cohorts_path));
    f->most_replicas = fmax(f->most_replicas, csv.most_replicas);
    f->most_rps = fmax(f->most_rps, range.most_rps);
    f->most_ms = fmax(f->most_ms, range.most_ms);
    return ERR_OK;
}

/* All controllers play in one struct episode, one after the other; its schedule, which depends on
 * the episode's identity alone, is that of each of them and is shaded in the figure. */
static enum err play_all(struct episode_metrics *out, const struct timeline *t, const char *dir,
                         struct arena *arena)
{
    struct figure_track tracks[TIMELINE_TRACKS_MAX];
    struct episode e;
    struct figure_timeline f = {.title = t->title,
                                .env_setup = t->env_setup,
                                .schedule = &e.schedule,
                                .tracks = tracks,
                                .n_tracks = t->n_controllers};
    TRY(episode_init_on(&e, arena, t->env_setup, t->plant_kind));
    e.warmup_s = t->warmup_s;
    e.step_bound = t->step_bound;
    if (t->shield) {
        TRY(episode_shield(&e, arena, t->env_setup->shield));
    }
    if (t->lie != NULL) {
        TRY(episode_lie(&e, arena, t->lie));
    }
    TRY(name_tracks(tracks, t, arena));
    for (int i = 0; i < t->n_controllers; i++) {
        struct episode_metrics m;
        TRY(record(&m, &f, &e, t, i, dir, arena));
        if (out != NULL) {
            out[i] = m;
        }
        if (t->shielded != NULL && e.shielding != NULL) {
            shielding_finish(t->shielded + i * SHIELDING_COLUMNS, e.shielding);
        }
    }
    return figure_timeline(dir, &f, arena);
}

enum err timeline_write(struct episode_metrics *out, const struct timeline *t, const char *dir,
                        struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = play_all(out, t, dir, scratch);
    arena_rewind(scratch, mark);
    return e;
}

/* Only schedules are drawn, nothing is simulated, so looking through many episodes is cheap. */
uint32_t timeline_choose(const struct env_setup *w, int scenario, struct episode_id id,
                         int n_episodes, struct schedule *scratch)
{
    const uint32_t first = id.env;
    for (int i = 0; i < n_episodes; i++) {
        id.env = first + (uint32_t)i;
        schedule_draw(scratch, &w->scenarios[scenario], &id, w->n_seconds);
        if (scratch->onset_s >= 0 && scratch->onset_s < 0.5 * w->n_seconds) {
            return id.env;
        }
    }
    return first;
}
