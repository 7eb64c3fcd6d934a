//! Which call of Graph goes where, and which permission it needs.

use super::access::Rights;
use super::call::Call;
use super::delta;
use super::directory::Kind;
use super::licences;
use super::lists::{self, Source};
use super::model::Model;
use super::objects;
use super::reply::{Answer, Reply};
use super::tenant;

const READ_LICENCES: &[&str] = &["LicenseAssignment.Read.All", "LicenseAssignment.ReadWrite.All"];

/// Answers a call below `/v1.0`, whose bearer token has been checked.
pub(super) fn answer(model: &mut Model, call: &Call, path: &[&str], rights: &Rights) -> Answer {
    match (call.method.as_str(), path) {
        ("GET", ["users", key, "licenseDetails"]) => {
            need(rights.reads_users() || rights.any(READ_LICENCES))?;
            licences::details(model, call, key)
        }
        ("POST", ["users", key, "assignLicense"]) => {
            need(rights.any(&["LicenseAssignment.ReadWrite.All"]))?;
            licences::assign(model, call, rights, key)
        }
        ("GET", ["users", rest @ ..]) => users(model, call, rest, rights),
        ("GET", ["groups", rest @ ..]) => groups(model, call, rest, rights),
        ("POST", ["users", key, "checkMemberGroups"]) => {
            need(rights.reads_users() && rights.reads_groups())?;
            objects::check_member_groups(model, call, key)
        }
        ("POST", ["directoryObjects", "getByIds"]) => {
            need(rights.any(&["Directory.Read.All", "Directory.ReadWrite.All"]))?;
            objects::get_by_ids(model, call, rights)
        }
        ("GET", ["subscribedSkus"]) => {
            let organisation = ["Organization.Read.All", "Directory.Read.All"];
            need(rights.any(&organisation) || rights.any(READ_LICENCES))?;
            licences::subscribed(model, call)
        }
        ("GET", ["organization"]) => {
            need(rights.any(&["Organization.Read.All", "Directory.Read.All"]))?;
            Ok(tenant::organization(model, call))
        }
        ("GET", ["servicePrincipals", key, "appRoleAssignments"]) => {
            need(rights.any(&["Application.Read.All", "Directory.Read.All"]))?;
            tenant::app_role_assignments(model, call, key)
        }
        _ => Err(no_such_path(path)),
    }
}

fn users(model: &mut Model, call: &Call, path: &[&str], rights: &Rights) -> Answer {
    need(rights.reads_users())?;
    match path {
        ["delta" | "microsoft.graph.delta"] => delta::answer(model, call, Kind::User),
        [] => lists::answer(model, call, rights, Source::Users, None),
        ["$count"] => lists::count_segment(model, call, Source::Users, None),
        [key] => objects::get(model, call, rights, Kind::User, key),
        [key, "manager"] => objects::manager(model, call, rights, key),
        [key, "transitiveMemberOf", cast @ ..] => {
            let slot = objects::find_live(model, Kind::User, key)?;
            let found = model.directory.transitive_groups(slot);
            lists::answer(model, call, rights, Source::Found(found.into()), read_cast(cast)?)
        }
        _ => Err(no_such_path(path)),
    }
}

fn groups(model: &mut Model, call: &Call, path: &[&str], rights: &Rights) -> Answer {
    need(rights.reads_groups())?;
    match path {
        ["delta" | "microsoft.graph.delta"] => delta::answer(model, call, Kind::Group),
        [] => lists::answer(model, call, rights, Source::Groups, None),
        ["$count"] => lists::count_segment(model, call, Source::Groups, None),
        [key] => objects::get(model, call, rights, Kind::Group, key),
        [key, relation @ ("members" | "transitiveMembers"), rest @ ..] => {
            let group = objects::find_live(model, Kind::Group, key)?;
            let source = if *relation == "members" {
                Source::Members(group)
            } else {
                Source::Found(model.directory.transitive_members(group).into())
            };
            match rest {
                [cast @ .., "$count"] => {
                    lists::count_segment(model, call, source, read_cast(cast)?)
                }
                cast => lists::answer(model, call, rights, source, read_cast(cast)?),
            }
        }
        _ => Err(no_such_path(path)),
    }
}

fn need(allowed: bool) -> Result<(), Reply> {
    if allowed { Ok(()) } else { Err(Reply::denied()) }
}

fn read_cast(cast: &[&str]) -> Result<Option<Kind>, Reply> {
    match cast {
        [] => Ok(None),
        ["microsoft.graph.user"] => Ok(Some(Kind::User)),
        ["microsoft.graph.group"] => Ok(Some(Kind::Group)),
        ["microsoft.graph.device"] => Ok(Some(Kind::Device)),
        other => Err(no_such_path(other)),
    }
}

fn no_such_path(path: &[&str]) -> Reply {
    let last = path.last().copied().unwrap_or_default();
    let message = format!("Resource not found for the segment '{last}'.");
    Reply::error(400, "BadRequest", message)
}
