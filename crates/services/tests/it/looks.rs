//! What the phone shows of an instance.

use services::{CreateInstance, UpdateInstance};
use storage::{DeviceIcon, DeviceLook};

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn the_phone_lists_an_instance_as_its_owner_wants() {
    let stage = Stage::new().await;
    let phone = stage.phone("15550000001");
    let look = DeviceLook { name: Some(" Front desk ".to_owned()), icon: Some(DeviceIcon::Firefox) };
    let create = CreateInstance { name: "n".to_owned(), look, ..CreateInstance::default() };
    let id = stage.services.instances.create(&stage.caller, create).await.unwrap().instance.id;
    let qr = stage.qr(id).await;
    assert!(qr.ends_with(",3"), "the code names the browser as well");
    phone.scan(&qr).await.unwrap();
    stage.online(id).await;
    assert_eq!(phone.devices()[0].name, "Front desk");

    let none = UpdateInstance { device_name: Some(None), ..UpdateInstance::default() };
    let view = stage.services.instances.update(&stage.caller, id, none).await.unwrap();
    assert_eq!(view.instance.look, DeviceLook { name: None, icon: Some(DeviceIcon::Firefox) });
    let long = UpdateInstance { device_name: Some(Some("x".repeat(51))), ..UpdateInstance::default() };
    let refused = stage.services.instances.update(&stage.caller, id, long).await.unwrap_err();
    assert_eq!(refused.to_string(), "device_name must have at most 50 characters");
}
