/// Makes three things of one table: the routes, for actix (`open`, and `behind_a_credential` below `BASE`); their
/// description, for OpenAPI (`Described`); and the list of them, for the test that holds both together (`ROUTES`).
macro_rules! routes {
    (
        open: $($open_path:literal { $($($open_method:ident)|+ $open_module:ident :: $open:ident),+ })+
        below $base:literal with a credential: $($path:literal { $($method:ident $module:ident :: $handler:ident),+ })+
    ) => {
        const BASE: &str = $base;

        fn open(config: &mut ServiceConfig) {
            config$(
                .service(
                    web::resource($open_path).app_data(Route($open_path))$($(.$open_method($open_module::$open))+)+
                )
            )+;
        }

        fn behind_a_credential(config: &mut ServiceConfig) {
            config$(
                .service(
                    web::resource($path)
                        .app_data(Route(concat!($base, $path)))
                        $(.$method($module::$handler))+
                        .wrap(from_fn(|state, request, next| {
                            authenticate(concat!($base, $path), state, request, next)
                        }))
                )
            )+;
        }

        /// What every handler says of itself.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($open_module::$open,)+)+ $($($module::$handler,)+)+))]
        pub(crate) struct Described;

        /// Path and method of every route.
        #[cfg(test)]
        const ROUTES: &[(&str, &str)] = &[
            $($($(($open_path, stringify!($open_method)),)+)+)+
            $($((concat!($base, $path), stringify!($method)),)+)+
        ];
    };
}
