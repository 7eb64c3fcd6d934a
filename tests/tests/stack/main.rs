//! The whole stack in an emulator of AWS: programs, the template, and what happens in a life
//! (T1–T3). In the end every right of every function was used, and none was missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is the failure of the test, and the figures are for people to read"
)]

mod accidents;
mod connections;
mod console;
mod figures;
mod gateway;
mod imports;
mod licences;
mod story;

use story::Story;

/// One test, as it is one deployment: the emulator fires the timer once a minute, and that wait is
/// filled with what does not need it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_lives_through_everything_with_the_rights_it_has() {
    let story = Story::begin().await;
    gateway::lets_in_whom_it_should(&story).await;
    connections::are_made_and_authorised(&story).await;
    let killed = accidents::workers_are_killed(&story).await;
    connections::one_reads_on_behalf_of_a_person(&story).await;
    accidents::a_right_is_missing_and_a_message_is_poisoned(&story).await;
    imports::the_timer_imports_everybody(&story).await;
    imports::a_trace_goes_from_the_timer_to_halo(&story);
    imports::the_log_explains(&story).await;
    console::lets_people_sign_in(&story).await;
    accidents::nothing_was_done_twice(&story, &killed).await;
    accidents::halo_is_throttled(&story).await;
    imports::a_preview_is_carried_out(&story).await;
    imports::deactivations_are_held_and_released(&story).await;
    figures::of_syncs(&story).await;
    licences::are_given_when_halo_asks(&story).await;
    figures::every_metric_was_written(&story).await;
    connections::one_is_removed_and_comes_back(&story).await;
    figures::every_right_was_used_and_none_was_missing(&story);
}
