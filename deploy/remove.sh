# shellcheck shell=bash
# Takes down what setup and functions made.

remove() {
  local secret
  list_secrets
  cat <<TEXT
To be removed from project $PROJECT_ID ($REGION):
  services      threads-oauth, threads-refresh
  schedule      threads-refresh
  alerts        ${ALERTS[*]}; metric $METRIC; the e-mail channel that was made for them
  accounts      ${ACCOUNTS[*]}, with their rights
  images        repository $REPOSITORY
  app secret    $APP_SECRET
$(list_token_secrets; list_elsewhere)
The custom roles stay, held by nobody: Google keeps the id of a deleted one taken for 37 days.
APIs stay on, and so does gcloud's bucket of uploaded sources ($(sources_bucket)).
TEXT
  confirm 'Remove all this?' 'Nothing was removed.'
  remove_service threads-oauth
  remove_service threads-refresh
  remove_job
  remove_alerts
  for secret in $(account_lines | cut -d'|' -f1); do remove_token_secret "$secret"; done
  remove_app_secret
  remove_identities
  remove_repository
}

list_token_secrets() {
  local secret label
  while IFS='|' read -r secret label _; do
    if [[ -z $secret ]]; then
      continue
    elif [[ $label != "$LABEL" ]]; then
      echo "  (stays)       $secret, since it has no label managed-by=$LABEL; forget deletes it"
    elif [[ $WITH_SECRETS ]]; then
      echo "  TOKEN SECRET  $secret"
    else
      echo "  (stays)       $secret"
    fi
  done <<<"$(account_lines)"
}

list_elsewhere() {
  sed -n -E 's/^(.*)[|](.*)$/  (stays)       service \1 in \2: run this again with that REGION/p' <<<"$ELSEWHERE"
}

confirm() {  # confirm QUESTION WHAT-A-NO-MEANS
  local answer=''
  if [[ $ASSUME_YES || $DRY_RUN ]]; then return; fi
  if [[ -t 0 ]]; then
    printf '%s [y/N] ' "$1"
    read_line answer || true
  fi
  if [[ $answer != [yY] ]]; then die "$2"; fi
}

remove_service() {
  if ! grep -q "^$1|" <<<"$SERVICES"; then return; fi
  run gcloud run services delete "$1" --region="$REGION"
  say removed "service $1"
}

remove_job() {
  look gcloud scheduler jobs describe threads-refresh --location="$REGION" --format='value(name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud scheduler jobs delete threads-refresh --location="$REGION"
  say removed "job threads-refresh"
}

remove_alerts() {
  local name part owner elsewhere
  list_alerts
  while IFS='|' read -r name part _; do
    if [[ -z $name ]]; then continue; fi
    run "${MONITORING[@]}" policies delete "$name"
    say removed "alert on $part"
  done <<<"$FOUND"
  look_at_monitoring policies list --format='value(notificationChannels.list())'
  elsewhere="$FOUND"
  list_channels
  while IFS='|' read -r name _ _ _ owner; do
    if [[ $owner != "$LABEL" ]]; then continue; fi
    if [[ -z $DRY_RUN && $elsewhere == *"$name"* ]]; then continue; fi   # an alert of somebody else's uses it
    run "${MONITORING[@]}" channels delete "$name"
    say removed "channel $name"
  done <<<"$CHANNEL_LINES"
  look gcloud logging metrics describe "$METRIC" --format='value(name)'
  if [[ $FOUND ]]; then
    run gcloud logging metrics delete "$METRIC"
    say removed "metric $METRIC"
  fi
}

remove_token_secret() {
  if [[ $WITH_SECRETS && $(secret_line "$1") == "$1|$LABEL|"* ]]; then
    run gcloud secrets delete "$1"
    say removed "secret $1"
  else
    remove_grants secret "$1"
  fi
}

remove_app_secret() {
  if [[ -z $(secret_line "$APP_SECRET") ]]; then return; fi
  run gcloud secrets delete "$APP_SECRET"
  say removed "secret $APP_SECRET"
}

# Before the accounts: a binding whose account is gone stays behind as "deleted:…".
remove_grants() {  # remove_grants KIND NAME
  local grant
  policy_words get-iam-policy "$@"
  look "${POLICY[@]}" --format=yaml
  for grant in $(grants_in "$FOUND"); do
    if [[ $grant != *=conditional ]] && is_ours "$(member_of "$grant")"; then remove_grant "$@" "$grant"; fi
  done
}

remove_identities() {
  local name
  remove_grants project "$PROJECT_ID"
  list_accounts
  for name in "${ACCOUNTS[@]}"; do
    if [[ -z $(account_line "$name") ]]; then continue; fi
    run gcloud iam service-accounts delete "$(email "$name")"
    say removed "service account $name"
  done
}

remove_repository() {
  look gcloud artifacts repositories describe "$REPOSITORY" --location="$REGION" --format='value(name)'
  if [[ -z $FOUND ]]; then return; fi
  run gcloud artifacts repositories delete "$REPOSITORY" --location="$REGION"
  say removed "image repository $REPOSITORY"
}
