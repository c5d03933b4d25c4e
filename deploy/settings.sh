# shellcheck shell=bash
# What the environment asks for, checked before anything is written, and which project as whom.

readonly MINIMUM_GCLOUD=528   # the oldest that this was tried with
readonly PASSED_ON=(THREADS_SCOPES THREADS_AUTHORIZE_URL THREADS_API_URL REFRESH_AFTER_HOURS REFRESH_BUDGET_SECONDS)
readonly WEB_ADDRESS='(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]+)?(/[A-Za-z0-9._~-]+)*'
readonly SECRET_SHAPE='[[:graph:]]+'
readonly LABEL=threads-token-keeper
readonly APIS=(artifactregistry cloudbuild cloudresourcemanager cloudscheduler iam logging monitoring run
  secretmanager storage)
USERNAMES=()
ENABLED_APIS='' ACCOUNT=''

settings() {
  local name
  REGION="${REGION:-us-central1}"
  for name in PROJECT_ID THREADS_APP_ID THREADS_APP_SECRET THREADS_USERNAMES ALERT_EMAIL "${PASSED_ON[@]}"; do
    printf -v "$name" '%s' "${!name:-}"
  done
  export -n THREADS_APP_SECRET   # no child process needs it
  matches REGION '[a-z]+-[a-z]+[0-9]+' "such as us-central1"
  matches THREADS_APP_ID '[0-9]+' "the number under Threads App ID in Meta's dashboard, not the Meta App ID"
  matches THREADS_APP_SECRET "$SECRET_SHAPE" "the Threads App secret, without blanks"
  matches ALERT_EMAIL '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+' "one e-mail address"
  settings_passed_on
  read -ra USERNAMES <<<"${THREADS_USERNAMES//[,[:space:]]/ }"
  check_usernames "${USERNAMES[@]}"
  if [[ $COMMAND == account || $COMMAND == forget ]]; then check_usernames "${NAMES[@]}"; fi
  if [[ $COMMAND == all || $COMMAND == functions ]]; then need_app_id; fi
}

settings_passed_on() {
  matches THREADS_SCOPES '[a-z_]+(,[a-z_]+)*' "permissions with commas between them"
  if [[ $THREADS_SCOPES && ,$THREADS_SCOPES, != *,threads_basic,* ]]; then
    die "THREADS_SCOPES must hold threads_basic."
  fi
  matches THREADS_AUTHORIZE_URL "$WEB_ADDRESS" "an https address"
  matches THREADS_API_URL "$WEB_ADDRESS" "an https address"
  matches REFRESH_AFTER_HOURS '[0-9]{1,5}' "a number of hours"
  if [[ $REFRESH_AFTER_HOURS ]] && ((10#$REFRESH_AFTER_HOURS < 24 || 10#$REFRESH_AFTER_HOURS > 1104)); then
    die "REFRESH_AFTER_HOURS must be 24 (Threads refuses less) to 1104 (46 of a token's 60 days)."
  fi
  matches REFRESH_BUDGET_SECONDS '[1-9][0-9]{0,3}' "a number of seconds"
  if [[ $REFRESH_BUDGET_SECONDS && $REFRESH_BUDGET_SECONDS -gt 1700 ]]; then
    die "REFRESH_BUDGET_SECONDS is above 1700; a call ends at 1740."
  fi
}

matches() {  # matches SETTING PATTERN MEANING: an empty setting is one that was not given. Never prints the value.
  if [[ ${!1} && ! ${!1} =~ ^($2)$ ]]; then die "$1 is not what it should be: $3."; fi
}

check_usernames() {
  local name
  for name in "$@"; do
    if [[ ! ${name,,} =~ ^[a-z0-9._]{1,30}$ ]]; then
      die "'$name' is not a Threads username: 1 to 30 letters, digits, '.' and '_', without the @."
    fi
  done
}

need_app_id() {
  if [[ -z $THREADS_APP_ID ]]; then
    die "Set THREADS_APP_ID: in Meta's dashboard, App settings → Basic → Threads App ID, below the Meta App ID."
  fi
}

# Everything else that can be wrong before the first write.
google_cloud() {
  local version project domain
  command -v gcloud >/dev/null || die "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  if [[ $COMMAND == check ]]; then
    command -v curl >/dev/null || die "curl is not installed, and check asks Threads and both functions with it."
  fi
  look gcloud info --format='value[separator="|"](basic.version,config.account,config.project)'
  IFS='|' read -r version ACCOUNT project <<<"$FOUND"
  if [[ ${version%%.*} -lt $MINIMUM_GCLOUD ]]; then
    die "gcloud $version is too old, $MINIMUM_GCLOUD or newer is needed: gcloud components update"
  fi
  ACCOUNT="${ACCOUNT:-the account that gcloud is signed in with}"
  PROJECT_ID="${PROJECT_ID:-$project}"
  if [[ -z $PROJECT_ID ]]; then die "No project: set PROJECT_ID, or gcloud config set project PROJECT_ID"; fi
  matches PROJECT_ID '([a-z0-9.-]+:)?[a-z][a-z0-9-]+' "a project id, such as my-project-123; no number, no name"
  note "Looking at project $PROJECT_ID, region $REGION, as $ACCOUNT."
  export CLOUDSDK_CORE_PROJECT="$PROJECT_ID"
  if [[ $DRY_RUN ]]; then echo "+ export CLOUDSDK_CORE_PROJECT=$PROJECT_ID"; fi
  # example.com:project has its accounts at NAME@project.example.com.
  if [[ $PROJECT_ID == *:* ]]; then domain="${PROJECT_ID%%:*}."; fi
  ACCOUNT_HOST="${PROJECT_ID##*:}.${domain:-}iam.gserviceaccount.com"
  find_project
  PUBLIC_URL="https://threads-oauth-$PROJECT_NUMBER.$REGION.run.app"   # known before the first deploy
  REFRESH_URL="https://threads-refresh-$PROJECT_NUMBER.$REGION.run.app"
}

find_project() {
  local describe=(gcloud projects describe "$PROJECT_ID" --format='value(projectNumber)')
  if ! attempt "${describe[@]}"; then
    if [[ $SAID =~ $API_OFF ]]; then
      if [[ $COMMAND != all && $COMMAND != setup ]]; then refused "$SAID" "${describe[@]}"; fi
      run gcloud services enable cloudresourcemanager.googleapis.com
      say created "API: cloudresourcemanager.googleapis.com"
      if [[ $DRY_RUN ]]; then FOUND=PROJECT_NUMBER; else APIS_ON=1 look_surely "${describe[@]}"; fi
    elif account_advice "$SAID" >/dev/null || policy_advice "$SAID" "" >/dev/null; then
      refused "$SAID" "${describe[@]}"
    elif [[ $SAID =~ PERMISSION_DENIED|does\ not\ have\ permission|$NOT_THERE ]]; then
      die "There is no project $PROJECT_ID that $ACCOUNT can see. Is the id misspelt? gcloud projects list names yours."
    else
      refused "$SAID" "${describe[@]}"
    fi
  fi
  PROJECT_NUMBER="$FOUND"
}

missing_apis() {  # into MISSING; all that are on stay in ENABLED_APIS
  local api
  MISSING=()
  look gcloud services list --enabled --format='value(config.name)'
  ENABLED_APIS="$FOUND"
  for api in "${APIS[@]}"; do
    if ! grep -qx "$api.googleapis.com" <<<"$ENABLED_APIS"; then MISSING+=("$api.googleapis.com"); fi
  done
}

ensure_apis() {
  if [[ ${#MISSING[@]} -eq 0 ]]; then
    say there "APIs"
  else
    run gcloud services enable "${MISSING[@]}"
    say created "APIs: ${MISSING[*]}"
  fi
  if [[ -z $DRY_RUN ]]; then APIS_ON=1; fi
}

# Once, with an owner's rights.
setup() {
  local name
  missing_apis
  need_app_secret   # asked for before anything is written, so that nobody comes back to a script that waits
  ensure_apis
  look_at_schedule
  ensure_accounts
  for name in "${ROLES[@]}"; do ensure_role "$name"; done
  ensure_grants project "$PROJECT_ID"
  for name in "${ACCOUNTS[@]}"; do ensure_grants account "$name"; done
  ensure_repository
  list_secrets
  ensure_secret "$APP_SECRET"
  ensure_app_secret_value
  ensure_grants secret "$APP_SECRET"
  for name in "${USERNAMES[@]}"; do allow "$name"; done
}

# What runs deploy.sh again for this project: the settings that the environment does not hold stand before it.
again() {  # again COMMAND...
  local name value before="PROJECT_ID=$PROJECT_ID "
  if [[ $REGION != us-central1 ]]; then before+="REGION=$REGION "; fi
  if [[ ${1:-} == functions ]]; then
    for name in THREADS_APP_ID "${PASSED_ON[@]}"; do
      value="$(deployed "$name")"
      if [[ $value && -z ${!name} ]]; then before+="$name=$value "; fi
    done
    if [[ -z $THREADS_APP_ID && $before != *THREADS_APP_ID=* ]]; then before+="THREADS_APP_ID=… "; fi
  fi
  echo "$before./deploy.sh${*:+ $*}"
}
