# shellcheck shell=bash
# The Cloud Scheduler job that calls refresh.

# Every six hours, at a minute when few others run. A token younger than a day is skipped, so one refresh a day comes
# of four calls, and three more are there when one fails. Two calls in a row may be lost (18 hours of silence) before
# the 23½ hours are over at which the alert speaks: a passing failure wakes nobody, a schedule that stopped does.
readonly SCHEDULE='17 */6 * * *'
readonly WARNINGS='resource.labels.service_name="threads-refresh" AND severity>=WARNING'
JOB=''          # what the job is, and when it was called last
JOB_SEEN=''

# Before anything is built: Cloud Scheduler is not in every region, and says so as if a right were missing.
look_at_schedule() {
  local try
  if [[ $JOB_SEEN ]]; then return; fi
  for ((try = 1; ; try++)); do
    if attempt gcloud scheduler jobs describe threads-refresh --location="$REGION" --format='value[separator="|"](
        lastAttemptTime,schedule,timeZone,httpTarget.uri,httpTarget.httpMethod,
        httpTarget.oidcToken.serviceAccountEmail,httpTarget.oidcToken.audience,attemptDeadline,
        retryConfig.retryCount,retryConfig.minBackoffDuration,retryConfig.maxBackoffDuration)'; then break; fi
    if [[ $SAID == *"not a valid location"* || $SAID == *"may not exist"* ]]; then need_scheduler_in_region; fi
    if absent "$SAID"; then break; fi
    passes "$SAID" "$try" || refused "$SAID" gcloud scheduler jobs describe threads-refresh
  done
  JOB="$FOUND" JOB_SEEN=1
}

need_scheduler_in_region() {
  local refusal="$SAID"
  look gcloud scheduler locations list --format='value(locationId)'
  if ! grep -qxF "$REGION" <<<"$FOUND"; then
    die "Cloud Scheduler is not in $REGION. Nothing was built yet. Run again with one of these as REGION:" \
      "$(tr '\n' ' ' <<<"$FOUND")"
  fi
  SAID="$refusal"   # so it is a right that is missing
}

wanted_job() { echo "$SCHEDULE|Etc/UTC|$REFRESH_URL/|POST|$(email threads-scheduler)|$REFRESH_URL|1800s|5|60s|600s"; }

ensure_job() {
  local verb=update flags
  if [[ ${JOB#*|} == "$(wanted_job)" ]]; then
    say there "job threads-refresh"
    return
  fi
  if [[ -z $JOB ]]; then verb=create; fi
  flags=(--location="$REGION" --schedule="$SCHEDULE" --time-zone=Etc/UTC --uri="$REFRESH_URL/" --http-method=post
    --oidc-service-account-email="$(email threads-scheduler)" --oidc-token-audience="$REFRESH_URL"
    --attempt-deadline=1800s --max-retry-attempts=5 --min-backoff=60s --max-backoff=600s)
  run gcloud scheduler jobs "$verb" http threads-refresh "${flags[@]}"
  say "${verb}d" "job threads-refresh"
}

# The alert on silence counts from the first completed run on; so there is one now, and not in six hours.
ensure_first_run() {
  if [[ ${JOB%%|*} ]]; then return; fi
  run gcloud scheduler jobs run threads-refresh --location="$REGION"
  say created "the first run"
}

run_now() { echo "gcloud scheduler jobs run threads-refresh --location=$REGION --project=$PROJECT_ID"; }

check_schedule() {
  local state when code uri audience as before
  look_at_schedule
  last_attempt
  IFS='|' read -r state when code <<<"$FOUND"
  if [[ -z $state ]]; then
    wrong "there is no schedule" "$(again functions)"
    return
  fi
  if [[ $state != ENABLED ]]; then
    wrong "the schedule is $state" \
      "gcloud scheduler jobs resume threads-refresh --location=$REGION --project=$PROJECT_ID"
  fi
  before=$PROBLEMS
  IFS='|' read -r _ _ _ uri _ as audience _ <<<"$JOB"
  if [[ ${uri%/} != "$REFRESH_URL" ]]; then wrong "the schedule calls $uri" "$(again functions)"; fi
  if [[ ${audience%/} != "$REFRESH_URL" ]]; then
    wrong "the schedule's audience is ${audience:-not set}" "$(again functions)"
  fi
  if [[ $as != "$(email threads-scheduler)" ]]; then
    wrong "the schedule calls as ${as:-nobody}" "$(again functions)"
  fi
  if [[ $PROBLEMS -eq $before && ${JOB#*|} != "$(wanted_job)" ]]; then
    wrong "the schedule is not as it should be: ${JOB#*|}" "$(again functions)"
  fi
  case "$code" in
    '' | 0) good "schedule" ;;
    7 | 16)
      wrong "the last scheduled call was not let in (code $code, $when)" \
        "$(again functions); then $(run_now)"
      ;;
    *)
      wrong "the last scheduled call failed (code $code, $when)" \
        "see why: gcloud logging read '$WARNINGS' --freshness=1d --project=$PROJECT_ID"
      ;;
  esac
}

check_last_run() {
  local when message severity now
  last_run
  IFS='|' read -r when message <<<"$FOUND"
  printf -v now '%(%s)T' -1
  if [[ -z $when ]]; then
    wrong "no run has completed in a week" "$(run_now)"
  elif ((now - $(seconds_of "$when") > 86400)); then
    wrong "the last completed run is older than a day: $when" "$(run_now)"
  else
    good "last run $when"
  fi
  # What the keeper asked a person to do in the last round of the schedule.
  look gcloud logging read "$FAILED" --limit=5 --freshness=6h \
    --format='value[separator="|"](timestamp,severity,jsonPayload.message)'
  while IFS='|' read -r when severity message; do
    if [[ $when ]]; then wrong "$severity at $when" "$message"; fi
  done <<<"$FOUND"
}
