//! The tab *Advanced*: roles and change advisory boards by group, people without a manager, roles that
//! make agents inactive (R1–R6), and licences (S1, S2).

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::pages::editor::{self, Draft, Tab, add};
use crate::visit::{Sent, Visit};

const TAB: Tab =
    Tab { path: "advanced", title: "Advanced configuration", fields, row, tidy, rules: true };

fn fields(draft: &Draft<'_>) -> Markup {
    html! {
        (roles(draft, "roles.agent_roles", "Agent roles", "agent-roles"))
        (roles(draft, "roles.user_roles", "User roles", "user-roles"))
        fieldset { legend { "People without a manager" }
            (draft.of_halo("roles.no_manager_user_role_id", "Role of users without a manager", "Such as senior people, who need to see more; may be empty (R2).", "user-roles"))
        }
        (boards(draft))
        fieldset { legend { "Licence management of agents" }
            (draft.tick("roles.licence_management", "Roles may make agents inactive", "Agents who hold one of the roles below become inactive in Halo (R5)."))
            (draft.ticked("roles.inactive_agent_role_ids", "Roles that make agents inactive", "agent-roles"))
        }
        fieldset { legend { "Microsoft licences" }
            (draft.of_halo("licences.client_id", "Client that licences are imported to", "Usually the client of the users. Empty = licences are not imported (S1).", "clients"))
            (draft.tick("licences.manage_from_halo", "Allow licences to be managed from within Halo", "Assigning and removing a licence in Halo is carried out in Entra (S2). Never switch it on beside the CSP integration."))
        }
    }
}

fn roles(draft: &Draft<'_>, list: &str, title: &str, from: &str) -> Markup {
    let rows = draft.rows(list);
    html! {
        fieldset { legend { (title) }
            p.faint { "Members of the group get the role, besides the one of their mapping." }
            (draft.list(list))
            ul.rows { @for row in 0..rows {
                @let at = format!("{list}[{row}]");
                li.card {
                    (draft.keep(&at))
                    (draft.group(&format!("{at}.group"), "Group", ""))
                    (draft.of_halo(&format!("{at}.role_id"), "Role", "", from))
                    (draft.move_row(list, row, &format!("row {} of {title}", row + 1)))
                }
            } }
            (add(list, "Add a role"))
        }
    }
}

fn boards(draft: &Draft<'_>) -> Markup {
    const LIST: &str = "roles.cabs";
    html! {
        fieldset { legend { "Change advisory boards" }
            p.faint { "Members of the group join the board when they are made in Halo (R3)." }
            (draft.list(LIST))
            ul.rows { @for row in 0..draft.rows(LIST) {
                @let at = format!("{LIST}[{row}]");
                li.card {
                    (draft.keep(&at))
                    (draft.group(&format!("{at}.group"), "Group", ""))
                    div.grid {
                        (draft.of_halo(&format!("{at}.cab_id"), "Board", "", "cabs"))
                        (draft.number(&format!("{at}.cab_role_id"), "Role in it (number)", "May be empty."))
                        (draft.tick(&format!("{at}.keep"), "Kept in step afterwards", "People join and leave as the group changes."))
                    }
                    (draft.move_row(LIST, row, &format!("board {}", row + 1)))
                }
            } }
            (add(LIST, "Add a board"))
        }
    }
}

fn row(_: &str, _: &Value) -> Value {
    json!({ "group": {} })
}

/// Without a client there is no import of licences, whatever is ticked.
fn tidy(document: &mut Value) {
    if document["licences"]["client_id"].is_null()
        && let Some(document) = document.as_object_mut()
    {
        document.remove("licences");
    }
}

pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    editor::show(&visit, &id, TAB).await
}

pub(crate) async fn save(Path(id): Path<String>, sent: Sent) -> Response {
    editor::sent(&sent, &id, TAB).await
}
